import type { AblationRun } from "../analysis/ablation/summary.js";
import type { AblationVariant } from "../analysis/ablation/variants.js";
import { counts } from "../analysis/counts.js";
import type { TrainAndTest } from "../api/datasets.node.js";
import { evaluate } from "../api/evaluate.node.js";
import { fold } from "../api/fold.js";
import type { Backend } from "../backend/backend.js";
import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { blockDefinition } from "../nn/blocks/registry.js";
import type { Model } from "../nn/model.js";
import { freshModel } from "../recipe/fresh-model.node.js";
import { resume, type TrainResult, train } from "../runs/train.node.js";
import type { RunPosition } from "../train/checkpoint.js";
import type { TrainConfig } from "../train/config.js";
import { DivergenceError } from "../train/divergence.js";
import { RunDirectory } from "../train/run-directory.node.js";
import { writeResult } from "./ablation-directory.node.js";
import type { AblationNet } from "./setup.node.js";
import { StepMeter } from "./step-meter.node.js";

export interface VariantJob {
  readonly variant: AblationVariant;
  readonly seed: number;
  /** Folder of the run. */
  readonly out: string;
  readonly net: AblationNet;
  readonly config: TrainConfig;
}

export interface VariantOptions extends ComputeOptions {
  readonly signal: AbortSignal;
  readonly onStep: (position: RunPosition, loss: number) => void;
}

/** The base net with a variant's blocks, fresh. @throws UserError for settings that make no net. */
export function variantModel(
  { model, ...settings }: AblationNet,
  { net }: AblationVariant,
  sets: Pick<TrainAndTest, "train">,
  seed: number,
): Promise<Model> {
  return freshModel(model, sets.train, { ...settings, ...net, seed });
}

/**
 * Trains one net, or goes on with it where it was begun; folds it, and counts how many test pictures each form gets right.
 * @returns undefined where the signal stopped it.
 */
export async function trainVariant(
  job: VariantJob,
  sets: TrainAndTest,
  options: VariantOptions,
): Promise<AblationRun | undefined> {
  const { variant, seed, out, net } = job;
  const model = await variantModel(net, variant, sets, seed);
  const { kind } = model.architecture.block;
  const meter = new StepMeter();
  return usingBackend(options, async (backend) => {
    const onStep = (position: RunPosition, loss: number): void => {
      meter.step(position);
      options.onStep(position, loss);
    };
    const trained = await finished(model, sets, job, { ...options, backend, onStep });
    if (trained?.interrupted) return undefined;
    const peakBytes = meter.ran ? backend.memory.peakWords * 4 : null;
    const unfoldable = blockDefinition(kind).unfoldable ?? null;
    const run: AblationRun = {
      variant: variant.name,
      seed,
      top1: trained ? trained.test!.top1 : null,
      foldedTop1: trained && unfoldable === null ? await foldedAccuracy(trained.model, sets, backend) : null,
      unfoldable,
      stepSeconds: meter.seconds,
      peakBytes,
      parameters: counts(model.architecture, model.metadata.preprocessing.size).parameters,
    };
    await writeResult(out, run);
    return run;
  });
}

/** The training at its end or its interruption; undefined where it diverged. */
async function finished(
  model: Model,
  sets: TrainAndTest,
  { out, seed, config }: VariantJob,
  options: VariantOptions & { readonly backend: Backend },
): Promise<TrainResult | undefined> {
  // Batches are made on the thread that trains: pictures are in memory, and every core has a process of its own.
  // The ablation has its own report.
  const process = { ...options, workers: 0, report: false };
  try {
    if (RunDirectory.exists(out)) return await resume(out, process, sets);
    // Every picture is trained on and the last epoch counts: nothing is chosen.
    return await train(model, sets, { ...config, ...process, seed, out, validation: 0 });
  } catch (error) {
    if (error instanceof DivergenceError) return undefined;
    throw error;
  }
}

async function foldedAccuracy(model: Model, { test }: TrainAndTest, backend: Backend): Promise<number> {
  return (await evaluate(fold(model), test, { backend })).top1;
}
