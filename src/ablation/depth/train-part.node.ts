import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { counts } from "../../analysis/counts.js";
import { evaluationLoader } from "../../api/datasets.node.js";
import type { Backend } from "../../backend/backend.js";
import type { BackendOptions } from "../../backend/options.js";
import { usingBackend } from "../../backend/using-backend.node.js";
import { yieldToEvents } from "../../core/yield.js";
import { classCounts } from "../../data/class-counts.js";
import type { Batch, Dataset } from "../../data/dataset.js";
import type { Loader } from "../../data/loader.js";
import { createLoader } from "../../data/loader.node.js";
import { readSafetensorsFile, writeSafetensorsFile } from "../../formats/safetensors/file.node.js";
import { blockLayouts } from "../../nn/layout.js";
import type { Model } from "../../nn/model.js";
import { freshModel } from "../../recipe/fresh-model.node.js";
import { fitToData } from "../../recipe/training-setup.js";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../train/checkpoint.js";
import type { TrainConfig } from "../../train/config.js";
import { DivergenceError } from "../../train/divergence.js";
import { gradientNorms } from "../../train/gradient-norms.js";
import { learningRate } from "../../train/schedule.js";
import { Trainer } from "../../train/trainer.js";
import type { StudySets } from "./pictures.js";
import { partConfig, type StudyPart, type StudyPlan } from "./plan.js";
import type { Judgement, StudyRun } from "./results.js";
import { studyVariant } from "./variants.js";

export interface PartOptions extends BackendOptions {
  /** Where the part's checkpoint is. */
  readonly folder: string;
  /** Stops after the step under way, with a checkpoint. */
  readonly signal: AbortSignal;
  /** Seconds between checkpoints. Default 60. */
  readonly checkpointSeconds?: number;
  readonly onStep?: (steps: number) => void;
}

/** Pictures that gradients are measured on, in batches as they are trained. */
const measuredBatches = 4;

/** What a part has found so far, kept in its checkpoint: all that cannot be computed again from the weights. */
interface Progress {
  readonly gradientsAtStart: readonly number[];
  readonly epochLosses: readonly number[];
  /** Processor time of the steps done. */
  readonly seconds: number;
  /** Most kernel memory that any process needed for them. */
  readonly peakBytes: number;
}

/**
 * Trains one net of a study, or goes on with it where it was stopped, and judges it once. It ends with the same bits wherever it was stopped.
 * @returns undefined where the signal came first
 */
export async function trainPart(
  plan: StudyPlan,
  part: StudyPart,
  sets: StudySets,
  options: PartOptions,
): Promise<StudyRun | undefined> {
  const config = partConfig(plan, part);
  const model = await partModel(plan, part, sets.train);
  return usingBackend(options, async (backend) => {
    const { size, channels, cropRatio } = model.metadata.preprocessing;
    const { batchSize, augmentation, seed } = config;
    const loader = createLoader(sets.train, {
      ...{ batchSize, size, channels, cropRatio, augmentation, seed },
      workers: 0, // pictures are in memory, and every core has a process of its own
    });
    const training = new PartTraining(backend, model, config, loader, options, classCounts(sets.train));
    try {
      const finished = await training.run();
      if (!finished) return undefined;
      const judge = async (set: Dataset): Promise<Judgement> => {
        const { count, loss, top1 } = await training.evaluate(evaluationLoader(set, model, { batchSize, workers: 0 }));
        return { pictures: count, loss, top1 };
      };
      const { diverged } = finished;
      const { parameters } = counts(model.architecture, size);
      return {
        part,
        parameters: { train: parameters.train, plain: parameters.plain },
        judged: diverged ? null : await judge(part.kind === "result" ? sets.test : sets.choice),
        fitted: diverged ? null : await judge(sets.train),
        epochLosses: finished.epochLosses,
        gradients: { start: finished.gradientsAtStart, end: finished.gradientsAtEnd },
        stepSeconds: finished.stepSeconds,
        peakBytes: finished.peakBytes,
        weights: weightsHash(training.model()),
        arithmetic: backend.arithmetic,
      };
    } finally {
      training.dispose();
      await loader.dispose();
    }
  });
}

/** Removes what a part's training left: its result is known. */
export function forgetPart(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

async function partModel(plan: StudyPlan, part: StudyPart, pictures: Dataset): Promise<Model> {
  const { widths, strides, nets } = plan;
  const { depths } = nets.find(({ layers }) => layers === part.layers)!;
  const spec = { depths, widths, strides, ...studyVariant(part.variant).net };
  return fitToData(await freshModel(spec, pictures, { seed: part.seed }), pictures, createLoader);
}

/** What a training is at its end. */
interface Finished extends Omit<Progress, "seconds"> {
  readonly diverged: boolean;
  readonly gradientsAtEnd: readonly number[];
  readonly stepSeconds: number;
}

class PartTraining {
  readonly #backend: Backend;
  readonly #start: Model;
  readonly #config: TrainConfig;
  readonly #loader: Loader;
  readonly #options: PartOptions;
  readonly #trainer: Trainer;
  readonly #file: string;
  /** All that the part's bits depend on: a checkpoint of another setup is of no use, as after another learning rate was chosen. */
  readonly #setup: string;
  #position: Checkpoint["position"] = { step: 0, epoch: 0, stepInEpoch: 0, lossSum: 0, best: null };
  #progress: Progress = { gradientsAtStart: [], epochLosses: [], seconds: 0, peakBytes: 0 };

  constructor(
    backend: Backend,
    model: Model,
    config: TrainConfig,
    loader: Loader,
    options: PartOptions,
    counts: readonly number[],
  ) {
    this.#backend = backend;
    this.#start = model;
    this.#config = config;
    this.#loader = loader;
    this.#options = options;
    this.#trainer = new Trainer(backend, model, config, counts);
    this.#file = join(options.folder, "last.safetensors");
    const { architecture, metadata } = model;
    this.#setup = JSON.stringify([architecture, metadata.preprocessing, config]);
  }

  /** @returns undefined where the signal came first */
  async run(): Promise<Finished | undefined> {
    if (!(await this.#read())) {
      this.#progress = { ...this.#progress, gradientsAtStart: await this.#gradients(this.#start) };
    }
    let diverged = false;
    try {
      if (!(await this.#steps())) return undefined;
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      diverged = true;
    }
    this.#notePeak();
    const { seconds, ...found } = this.#progress;
    const gradientsAtEnd = diverged ? [] : await this.#gradients(this.#trainer.model());
    return { ...found, diverged, gradientsAtEnd, stepSeconds: seconds / Math.max(1, this.#position.step) };
  }

  evaluate(loader: Loader): ReturnType<Trainer["evaluate"]> {
    return this.#trainer.evaluate(loader.epoch(0));
  }

  model(): Model {
    return this.#trainer.model();
  }

  dispose(): void {
    this.#trainer.dispose();
  }

  /** All steps that are left. @returns whether they were done: else the signal came, and they are in a checkpoint */
  async #steps(): Promise<boolean> {
    const { epochs, warmupEpochs, learningRate: base } = this.#config;
    const { stepsPerEpoch } = this.#loader;
    const { signal, checkpointSeconds = 60, onStep } = this.#options;
    const warmupSteps = Math.round(warmupEpochs * stepsPerEpoch);
    const schedule = { base, final: 0, warmupSteps, totalSteps: epochs * stepsPerEpoch };
    let saved = performance.now();
    while (this.#position.epoch < epochs) {
      const { epoch } = this.#position;
      for await (const batch of this.#loader.epoch(epoch, this.#position.stepInEpoch)) {
        this.#step(batch, learningRate(schedule, this.#position.step));
        onStep?.(this.#position.step);
        await yieldToEvents();
        if (signal.aborted || performance.now() - saved > checkpointSeconds * 1000) {
          await this.#write();
          saved = performance.now();
        }
        if (signal.aborted) return false;
      }
      const { lossSum, stepInEpoch, ...position } = this.#position;
      const epochLosses = [...this.#progress.epochLosses, rounded(lossSum / stepInEpoch)];
      this.#progress = { ...this.#progress, epochLosses };
      this.#position = { ...position, epoch: epoch + 1, stepInEpoch: 0, lossSum: 0 };
    }
    this.#trainer.state(); // weights that overflowed in the last step are a divergence too
    return true;
  }

  #step(batch: Batch, rate: number): void {
    const { step, epoch, stepInEpoch, lossSum } = this.#position;
    const before = process.cpuUsage();
    const loss = this.#trainer.step(batch, rate, epoch, step);
    const { user, system } = process.cpuUsage(before);
    this.#progress = { ...this.#progress, seconds: this.#progress.seconds + (user + system) / 1e6 };
    this.#position = { ...this.#position, step: step + 1, stepInEpoch: stepInEpoch + 1, lossSum: lossSum + loss };
  }

  /** By each layer's 3×3 kernel: every kind of block has one. On a backend of its own, so that training's memory stays what it is. */
  async #gradients(model: Model): Promise<number[]> {
    const norms = await usingBackend(this.#options, (backend) =>
      gradientNorms(backend, model, this.#config, this.#firstBatches()),
    );
    const kernels = norms.filter(({ shape }) => shape.length === 4 && shape[0] === 3 && shape[1] === 3);
    return blockLayouts(model.architecture).map(({ path }) => {
      const own = kernels.filter(({ name }) => name.startsWith(`${path}.`));
      return rounded(Math.hypot(...own.map(({ norm }) => norm)));
    });
  }

  async *#firstBatches(): AsyncGenerator<Batch> {
    let given = 0;
    for await (const batch of this.#loader.epoch(0)) {
      yield batch;
      if (++given === measuredBatches) return;
    }
  }

  #notePeak(): void {
    const peakBytes = Math.max(this.#progress.peakBytes, this.#backend.memory.peakWords * 4);
    this.#progress = { ...this.#progress, peakBytes };
  }

  async #write(): Promise<void> {
    this.#notePeak();
    mkdirSync(this.#options.folder, { recursive: true });
    const { arrays, metadata } = encodeCheckpoint({ position: this.#position, ...this.#trainer.state() });
    await writeSafetensorsFile(this.#file, arrays, {
      ...metadata,
      setup: this.#setup,
      progress: JSON.stringify(this.#progress),
    });
  }

  /** @returns whether there was a checkpoint of this setup */
  async #read(): Promise<boolean> {
    if (!existsSync(this.#file)) return false;
    const { arrays, metadata } = await readSafetensorsFile(this.#file);
    if (metadata["setup"] !== this.#setup) return false;
    const checkpoint = decodeCheckpoint(arrays, metadata, this.#file);
    this.#trainer.loadState(checkpoint);
    this.#position = checkpoint.position;
    this.#progress = JSON.parse(metadata["progress"]!) as Progress;
    return true;
  }
}

/** Five significant digits: what a report shows, and a line of results can hold for every layer. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}

function weightsHash({ state }: Model): string {
  const hash = createHash("sha256");
  for (const [name, { data }] of state) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
