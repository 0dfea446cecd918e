/**
 * RepVGG for TypeScript in a browser, on the page's thread or in a worker. {@link createEngine} gives an engine in a worker, with all
 * that a page needs: load, classify, fold, verify, train. Below it are the same functions as in Node, for code that has a
 * thread of its own: models are plain immutable values, mistakes of the caller are {@link UserError}s of one line.
 * @module repvgg/browser
 */
export {
  type BlockAlgebra,
  type BlockAlgebraOptions,
  type BranchAlgebra,
  type BranchName,
  blockAlgebra,
  type KernelStage,
  type KernelView,
} from "./analysis/block-algebra.js";
export { type ByForm, type Counts, counts, type LayerCounts } from "./analysis/counts.js";
export { type MemoryPoint, type MemoryTimeline, memoryTimeline } from "./analysis/memory.js";
export { fold } from "./api/fold.js";
export type { Backend } from "./backend/backend.js";
export { Tuning, type TuningRecord, type TuningRecords } from "./backend/conv/tuning.js";
export type { BackendKind, BackendOptions, RelaxedChoice } from "./backend/options.js";
export { createBackend } from "./backend/select.browser.js";
export type { ComputeOptions } from "./browser/compute.js";
export type {
  Classification,
  ClassifyOptions,
  Engine,
  EngineLoadOptions,
  EngineNet,
  EnginePictures,
  EngineVerifyOptions,
  KernelOptions,
  KernelsInUse,
  NetInfo,
  NetPlan,
  PictureFiles,
  PlanOptions,
  Training,
  TrainingFacts,
  TrainingOptions,
  TrainingResult,
  Watched,
} from "./browser/engine/contract.js";
export { createEngine } from "./browser/engine/create-engine.js";
export { createLocalEngine } from "./browser/engine/create-local-engine.js";
export { type CacheMode, cacheName, type FetchOptions, type LoadProgress } from "./browser/fetch-bytes.js";
export { Gate } from "./browser/gate.js";
export { type IdxFiles, readIdxFiles } from "./browser/idx-file.js";
export { type FileSource, type LoadOptions, loadModel, loadNet } from "./browser/load.js";
export { netFile } from "./browser/net-file.js";
export { decodePicture, type Picture } from "./browser/picture.js";
export { type PredictOptions, predict } from "./browser/predict.js";
export type { PublishedOptions } from "./browser/published.js";
export {
  type NetInTraining,
  type TrainingPictures,
  type TrainOptions,
  type TrainResult,
  type TrainStep,
  train,
} from "./browser/train.js";
export { type VerifyOptions, verify } from "./browser/verify.js";
export type { RawPixels } from "./classifier/picture.js";
export { likeliest, type Prediction, pictureInput } from "./classifier/prediction.js";
export type { ConvGeometry } from "./core/conv-geometry.js";
export { type ErrorParts, FormatError, ShapeError, UserError, VerificationError } from "./core/errors.js";
export type { DType, NamedArray, NamedArrays } from "./core/named-arrays.js";
export type { PartialPreprocessing, PictureField, Preprocessing } from "./core/preprocessing.js";
export type {
  AugmentationConfig,
  AugmentationPreset,
  ColorJitter,
  PadAndCrop,
  RandAugment,
  RandomErasing,
  RandomResizedCrop,
} from "./data/augmentation/config.js";
export type { Dataset, DatasetSource, FolderSource, Image } from "./data/dataset.js";
export { fashionMnistClasses } from "./data/fashion-mnist.js";
export { memoryDataset } from "./data/memory-dataset.js";
export type { PlanReport, StepReport } from "./engine/plan/report.js";
export type { StepProfile } from "./engine/session.js";
export {
  createSession,
  type Session,
  type SessionInput,
  type SessionInputTensor,
  type SessionNumbers,
  type SessionOptions,
  type SessionOutputs,
  type SessionTensor,
} from "./engine/session.js";
export type { SaveOptions } from "./exchange/encode-net.js";
export { type FoldedNet, type FoldNetOptions, foldNet } from "./exchange/fold-net.js";
export type { RestPolicy } from "./exchange/left-over.js";
export type { Scheme } from "./exchange/names/namings.js";
export { type FileFormat, type Net, type NetSource, netOf } from "./exchange/net.js";
export type { Container } from "./exchange/sniff.js";
export type { RefusalKind } from "./fold/refusals.js";
export type { FoldReport, RefusalReport, RegionReport } from "./fold/report.js";
export type { TraceStep } from "./fold/trace.js";
export type { Graph, GraphNode, ValueInfo } from "./graph/graph.js";
export type { Architecture, BlockKind, BlockSpec, Form, LayerException } from "./nn/architecture.js";
export { type ArchitectureSpec, architecture } from "./nn/build-architecture.js";
export type { Statistics } from "./nn/initialize.js";
export { type BlockLayout, blockLayouts, type SqueezeExciteLayout } from "./nn/layout.js";
export type { AssumedFact, Model, ModelMetadata } from "./nn/model.js";
export { type RepvggOptions, repvgg } from "./nn/repvgg.js";
export { toGraph } from "./nn/to-graph.js";
export { type VariantName, variantNames } from "./nn/zoo.js";
export type { TrainFields } from "./recipe/training-setup.js";
export type { BalanceMode } from "./train/balance-modes.js";
export type { Freeze, TrainConfig } from "./train/config.js";
export type { EpochRecord, EpochScore } from "./train/history.js";
export type { CompareOptions } from "./verify/compare.js";
export type { OutputVerification, Verdict } from "./verify/comparison/output-comparison.js";
export type { Verification } from "./verify/verify-models.js";
