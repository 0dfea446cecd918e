/**
 * RepVGG for TypeScript: build a multi-branch net ({@link repvgg}), {@link train} it, {@link fold} it into its plain form,
 * {@link verify} that both give the same outputs, and {@link predict}. A {@link Model} is a plain immutable value; every
 * function returns a new one. Mistakes of the caller are {@link UserError}s of one line.
 * @packageDocumentation
 */

export {
  type Dataset,
  type DatasetDescription,
  type DatasetSource,
  type DataWarning,
  type IgnoredFiles,
  type Image,
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
export type { EvaluationSplit } from "./api/evaluation-set.node.js";
export { type ExplainOptions, type Explanation, explain, explainAll } from "./api/explain.node.js";
export { extractFeatures, type FeatureOptions } from "./api/extract-features.node.js";
export { fold } from "./api/fold.js";
export { freshModel } from "./api/fresh-model.node.js";
export {
  type LoadOptions,
  loadModel,
  loadNet,
  type NetFile,
  type SaveOptions,
  saveModel,
} from "./api/model-files.node.js";
export { type PredictOptions, predict, predictAll } from "./api/predict.node.js";
export { type RecalibrateOptions, recalibrate } from "./api/recalibrate.node.js";
export {
  createSession,
  type PlanReport,
  type Session,
  type SessionInput,
  type SessionOptions,
  type SessionOutputs,
  type SessionTensor,
  type StepProfile,
  type StepReport,
} from "./api/session.node.js";
export {
  type Difference,
  type OutputVerification,
  type ValueDifference,
  type Verification,
  type VerifyModelsOptions,
  verify,
} from "./api/verify.node.js";
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
export { type ErrorParts, FormatError, ShapeError, UserError, VerificationError } from "./core/errors.js";
export type { NamedArray, NamedArrays } from "./core/named-arrays.js";
export type { PartialPreprocessing, Preprocessing } from "./core/preprocessing.js";
export { withFeatures } from "./exchange/backbone.js";
export { type FoldNetOptions, foldNet } from "./exchange/fold-net.js";
export { type FileFormat, type Net, type NetSource, netOf } from "./exchange/net.js";
export { saveNet } from "./exchange/save-net.node.js";
export { type Pulled, type PullOptions, pull } from "./hub/pull.node.js";
export type { Architecture, BlockKind, BlockSpec, Form, LayerException } from "./nn/architecture.js";
export { type ArchitectureSpec, architecture } from "./nn/build-architecture.js";
export type { Model, ModelMetadata } from "./nn/model.js";
export { type RepvggOptions, repvgg } from "./nn/repvgg.js";
export { RunningStats } from "./nn/running-stats.js";
export { type VariantName, variantNames } from "./nn/zoo.js";
export { type Chart, type Report, reportPage, type Section, type Unit, units } from "./report/report-page.js";
export { profileReport } from "./studies/profile/page.js";
export type { Profile } from "./studies/profile/profile.js";
export { type ProfileOptions, profile } from "./studies/profile/profile.node.js";
export { profileZoo, type ZooRow } from "./studies/profile/zoo.js";
export {
  type AugmentationConfig,
  type AugmentationPreset,
  type EpochRecord,
  type RunPosition,
  resume,
  type TrainConfig,
  type TrainFrom,
  type TrainOptions,
  type TrainProcessOptions,
  type TrainResult,
  train,
} from "./studies/training/train.node.js";
export { type FoldVerification, foldVerified, type VerifiedFoldOptions } from "./verify/fold-verified.node.js";
export { type Finding, IncomparableError } from "./verify/incomparable.js";
