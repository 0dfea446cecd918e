/**
 * RepVGG for TypeScript: build a multi-branch net ({@link repvgg}), {@link train} it, {@link fold} it into its plain form,
 * {@link verify} that both give the same outputs, and {@link predict}. A {@link Model} is a plain immutable value; every
 * function returns a new one. Mistakes of the caller are {@link UserError}s of one line.
 * @module repvgg
 */

export {
  type DataProblem,
  type Dataset,
  type DatasetDescription,
  type DatasetSource,
  type DataWarning,
  type FolderSource,
  type IgnoredFiles,
  type Image,
  type LabelColumns,
  type Lookalike,
  type OpenOptions,
  openDataset,
  type SkippedFile,
  type Split,
  type SplitOptions,
  type SplitOrigin,
  type SplitsDescription,
  surveyData,
  type TrainAndTest,
  trainAndTest,
} from "./api/datasets.node.js";
export { type EvaluateOptions, type Evaluation, evaluate } from "./api/evaluate.node.js";
export type { NamedMistake } from "./api/evaluation.js";
export type { EvaluationSplit } from "./api/evaluation-set.node.js";
export { type ExplainOptions, type Explanation, explain, explainAll } from "./api/explain.node.js";
export { extractFeatures, type FeatureOptions } from "./api/extract-features.node.js";
export { fold } from "./api/fold.js";
export {
  type LoadOptions,
  loadModel,
  loadNet,
  type NetFile,
  type SaveOptions,
  saveModel,
} from "./api/model-files.node.js";
export { type PredictOptions, predict, predictAll } from "./api/predict.node.js";
export { type QuantizationReport, type Quantized, type QuantizeOptions, quantize } from "./api/quantize.node.js";
export { type RecalibrateOptions, type RecalibrationEffect, recalibrate } from "./api/recalibrate.node.js";
export {
  createSession,
  type PlanReport,
  type Session,
  type SessionInput,
  type SessionInputTensor,
  type SessionNumbers,
  type SessionOptions,
  type SessionOutputs,
  type SessionTensor,
  type StepProfile,
  type StepReport,
} from "./api/session.node.js";
export type { TrainingSets } from "./api/training-sets.js";
export { type TrainingSplitOptions, trainingSets } from "./api/training-sets.node.js";
export {
  type Difference,
  type OutputVerification,
  type ValueDifference,
  type Verification,
  type VerifyModelsOptions,
  verify,
} from "./api/verify.node.js";
export type { BackendKind } from "./backend/options.js";
export { type KernelChoice, kernels } from "./backend/select.node.js";
export type { ComputeOptions } from "./backend/using-backend.node.js";
export {
  BusyError,
  type Classifier,
  type ClassifierInfo,
  type ClassifierKernels,
  type ClassifierOptions,
} from "./classifier/contract.js";
export { createClassifier } from "./classifier/create-classifier.node.js";
export type { AskedFacts } from "./classifier/net-classifier.js";
export type { ImageDataLike, Picture, RawPixels } from "./classifier/picture.js";
export type { Classification, ClassifyOptions, Prediction } from "./classifier/prediction.js";
export { defineConfig, type TrainConfiguration } from "./configuration/define-config.js";
export type { ConvGeometry } from "./core/conv-geometry.js";
export { type ErrorParts, FormatError, ShapeError, UserError, VerificationError } from "./core/errors.js";
export type { DType, NamedArray, NamedArrays } from "./core/named-arrays.js";
export type { PartialPreprocessing, PictureField, Preprocessing } from "./core/preprocessing.js";
export { withFeatures } from "./exchange/backbone.js";
export {
  type FoldedNet,
  type FoldNetOptions,
  type FoldReport,
  foldNet,
  type RefusalKind,
  type RefusalReport,
  type RegionReport,
  type TraceStep,
} from "./exchange/fold-net.js";
export type { RestPolicy } from "./exchange/left-over.js";
export type { FileLoadOptions } from "./exchange/load-net.node.js";
export type { Scheme } from "./exchange/names/namings.js";
export {
  type FileFormat,
  type Graph,
  type GraphNode,
  type Net,
  type NetSource,
  netOf,
  type ValueInfo,
} from "./exchange/net.js";
export { saveNet } from "./exchange/save-net.node.js";
export type { NetworkOptions } from "./hub/named-net.node.js";
export { type Pulled, type PullOptions, pull } from "./hub/pull.node.js";
export { type Pushed, type PushedFile, type PushOptions, push } from "./hub/push.node.js";
export {
  type CachedNet,
  type CacheFilter,
  type CacheListing,
  clearCache,
  listCache,
} from "./hub/stored-nets.node.js";
export type { Architecture, BlockKind, BlockSpec, Form, LayerException } from "./nn/architecture.js";
export { type ArchitectureSpec, architecture } from "./nn/build-architecture.js";
export type { Statistics } from "./nn/initialize.js";
export type { AssumedFact, Model, ModelMetadata } from "./nn/model.js";
export { type RepvggOptions, repvgg } from "./nn/repvgg.js";
export { RunningStats } from "./nn/running-stats.js";
export type { InputSize } from "./nn/tuned-start.js";
export { type VariantName, variantNames } from "./nn/zoo.js";
export type { QuantizationCause } from "./quantize/causes.js";
export type { EqualizationTarget } from "./quantize/equalize.js";
export type { LayerReport } from "./quantize/layer-report.js";
export type { Measured } from "./quantize/measure.js";
export { type QuantizationPage, quantizationReportPage } from "./quantize/page.js";
export type { QuantizationOptions } from "./quantize/quantize-graph.js";
export type { RangeMethod } from "./quantize/ranges.js";
export type { FloatLayer, QuantizationStep } from "./quantize/steps.js";
export { freshModel } from "./recipe/fresh-model.node.js";
export { type Chart, type Report, reportPage, type Section, type Unit, units } from "./report/report-page.js";
export { type FindRateOptions, findLearningRate, type RateStep, type RateTest } from "./runs/find-rate.node.js";
export {
  type CrossValidation,
  type FoldScore,
  type FoldsOptions,
  type FoldsProcessOptions,
  type FoldsResult,
  resumeFolds,
  type Spread,
  trainFolds,
} from "./runs/folds.node.js";
export { type Preview, previewTraining } from "./runs/preview.node.js";
export {
  type AugmentationConfig,
  type AugmentationPreset,
  type BalanceMode,
  type BestEpoch,
  type ColorJitter,
  type EpochRecord,
  type EpochScore,
  type Freeze,
  type PadAndCrop,
  type RandAugment,
  type RandomErasing,
  type RandomResizedCrop,
  type ResumeOptions,
  type RunPosition,
  resume,
  type TrainConfig,
  type TrainFrom,
  type TrainOptions,
  type TrainProcessOptions,
  type TrainResult,
  train,
} from "./runs/train.node.js";
export { type DataSplit, type PartName, type SplitDataOptions, splitData } from "./splitting/split-data.node.js";
export type { Machine } from "./studies/bench/machine.js";
export { profileReport } from "./studies/profile/page.js";
export type { Profile } from "./studies/profile/profile.js";
export { type ProfileOptions, profile } from "./studies/profile/profile.node.js";
export { type PaperRow, profileZoo, type ZooRow } from "./studies/profile/zoo.js";
export type { Verdict } from "./verify/comparison/output-comparison.js";
export { type FoldVerification, foldVerified, type VerifiedFoldOptions } from "./verify/fold-verified.node.js";
export { type Cause, type Finding, IncomparableError } from "./verify/incomparable.js";
export type { RegionProof } from "./verify/proof/prove-region.js";
