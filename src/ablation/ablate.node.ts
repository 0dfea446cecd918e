import { availableParallelism } from "node:os";
import { type AblationRun, type AblationSummary, summarizeAblation } from "../analysis/ablation/summary.js";
import { type TrainAndTest, trainAndTest } from "../api/datasets.node.js";
import type { BackendKind } from "../backend/options.js";
import { UserError } from "../core/errors.js";
import { batchFor, configFor, type TrainFields } from "../recipe/training-setup.js";
import { workOff } from "../studies/work-queue.node.js";
import type { TrainConfig } from "../train/config.js";
import { AblationDirectory } from "./ablation-directory.node.js";
import { AblationChild } from "./child.node.js";
import {
  type AblationNet,
  type AblationSeeds,
  type AblationSetup,
  mergeSeeds,
  type PlannedRun,
  planRuns,
  variantsOf,
} from "./setup.node.js";
import { variantModel } from "./train-variant.node.js";

/** How far an ablation is. */
export interface AblationProgress {
  /** Training steps of all runs. */
  readonly steps: number;
  readonly totalSteps: number;
  readonly runs: number;
  readonly totalRuns: number;
  /** Runs under way: "acb 2" is the variant acb with seed 2. */
  readonly underWay: readonly string[];
}

/** What does not change the results. */
export interface AblationProcessOptions {
  /** Processes that train at the same time. Default: as many as fill the machine's cores. */
  readonly jobs?: number;
  /** Threads of each process. Default 1: two processes of one thread train more pictures than one of two. */
  readonly threads?: number;
  readonly kernels?: BackendKind;
  /** A broken picture is an error. */
  readonly strict?: boolean;
  /** Stops after the steps under way, with checkpoints: go on with {@link resumeAblation}. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: AblationProgress) => void;
  /** Told of each run that is done. */
  readonly onRun?: (run: AblationRun) => void;
}

export interface AblateOptions extends AblationProcessOptions, Omit<TrainFields, "seed" | "customL2"> {
  /** Folder of the ablation; see AblationDirectory. */
  readonly out: string;
  readonly net: AblationNet;
  readonly seeds: AblationSeeds;
  /** For reports: the command that the user gave. */
  readonly command?: string;
  /** As for training: default 0.1, of fewer than 500 pictures 0.2. */
  readonly holdOut?: number;
}

export interface AblationResult {
  readonly out: string;
  readonly setup: AblationSetup;
  /** Pictures to train and to test on. */
  readonly pictures: { readonly train: number; readonly test: number };
  readonly summary: AblationSummary;
  /** Runs that are not done: some, where it was interrupted. */
  readonly remaining: number;
  readonly interrupted: boolean;
}

/**
 * Trains the variants of the paper's tables 6 and 7 from one base net, each with several seeds: the same pictures, the same
 * training, other blocks. Each run is a training run of its own in the ablation's folder.
 * @param place a folder or a known name: every process opens it again.
 * @throws UserError for wrong options or data, or a folder that holds an ablation already.
 */
export async function ablate(place: string, options: AblateOptions): Promise<AblationResult> {
  const { out, net, seeds, command, holdOut, ...others } = options;
  const { jobs, threads, kernels, strict = false, signal, onProgress, onRun, ...fields } = others;
  AblationDirectory.checkNew(out);
  const sets = await trainAndTest(place, { ...(holdOut !== undefined && { holdOut }), seed: 0, strict });
  const data = sets.origin!;
  const models = await Promise.all(variantsOf(seeds).map((variant) => variantModel(net, variant, sets, 0)));
  const asked = configFor(models[0]!, fields);
  const config = { ...asked, batchSize: options.batchSize ?? batchFor(sets.train.length, asked) };
  const setup: AblationSetup = { data, net, config, seeds, ...(command !== undefined && { command }) };
  checkBatch(sets, config);
  return conduct(await AblationDirectory.create(out, setup), setup, sets, options);
}

/**
 * Goes on with an ablation that was interrupted or killed: runs that are done stay, others go on from their last checkpoints.
 * @param more variants and seeds beyond those that it began with.
 * @throws UserError when the folder holds no ablation.
 */
export async function resumeAblation(
  out: string,
  options: AblationProcessOptions = {},
  more: AblationSeeds = {},
): Promise<AblationResult> {
  const directory = AblationDirectory.open(out);
  const before = directory.readSetup();
  const setup = { ...before, seeds: mergeSeeds(before.seeds, more) };
  await directory.writeSetup(setup);
  const sets = await trainAndTest(setup.data.place, { ...setup.data, strict: options.strict ?? false });
  return conduct(directory, setup, sets, options);
}

async function conduct(
  directory: AblationDirectory,
  setup: AblationSetup,
  { train, test }: TrainAndTest,
  options: AblationProcessOptions,
): Promise<AblationResult> {
  const { config, seeds } = setup;
  const { signal } = options;
  const stepsOfRun = config.epochs * Math.floor(train.length / config.batchSize);
  const planned = planRuns(seeds);
  const runs = planned.flatMap((run) => directory.readResult(run) ?? []);
  const queue = planned.filter((run) => directory.readResult(run) === undefined);
  const progress = new ProgressCounter(stepsOfRun, planned.length, runs.length, options.onProgress);
  await trainQueue(directory, setup, queue, options, progress, (run) => {
    runs.push(run);
    options.onRun?.(run);
  });
  return {
    out: directory.path,
    setup,
    pictures: { train: train.length, test: test.length },
    summary: summarizeAblation(variantsOf(seeds), runs),
    remaining: planned.length - runs.length,
    interrupted: signal?.aborted === true && runs.length < planned.length,
  };
}

function checkBatch({ train }: TrainAndTest, { batchSize }: TrainConfig): void {
  if (train.length >= batchSize) return;
  throw new UserError({
    expected: `at least ${batchSize} pictures to train on, a batch`,
    received: `${train.length} in ${train.name}`,
    remedy: "use a smaller batch (--batch-size) or more pictures",
  });
}

async function trainQueue(
  directory: AblationDirectory,
  { data, net, config }: AblationSetup,
  queue: PlannedRun[],
  options: AblationProcessOptions,
  progress: ProgressCounter,
  onRun: (run: AblationRun) => void,
): Promise<void> {
  const { threads = 1, kernels, strict = false, signal } = options;
  const { jobs = Math.max(1, Math.floor(availableParallelism() / threads)) } = options;
  const nameOf = ({ variant, seed }: PlannedRun): string => `${variant.name} ${seed}`;
  const workers = Array.from({ length: Math.min(jobs, queue.length) }, () => {
    const child = new AblationChild();
    return {
      open: () => child.open({ data, strict, threads, kernels }),
      work: (next: PlannedRun) => {
        const job = { ...next, out: directory.runPath(next), net, config };
        return child.train(job, ({ step, epoch }) => progress.step(nameOf(next), step, epoch));
      },
      stop: () => child.stop(),
      end: () => child.end(),
    };
  });
  await workOff(workers, queue, signal, (run, planned) => {
    onRun(run);
    progress.done(nameOf(planned));
  });
}

/** Adds up the steps of runs that are done and of those under way. */
class ProgressCounter {
  readonly #stepsOfRun: number;
  readonly #totalRuns: number;
  readonly #tell: AblationProcessOptions["onProgress"];
  readonly #underWay = new Map<string, { step: number; epoch: number }>();
  #done: number;

  constructor(stepsOfRun: number, totalRuns: number, done: number, tell: AblationProcessOptions["onProgress"]) {
    this.#stepsOfRun = stepsOfRun;
    this.#totalRuns = totalRuns;
    this.#done = done;
    this.#tell = tell;
  }

  step(run: string, step: number, epoch: number): void {
    this.#underWay.set(run, { step, epoch });
    this.#report();
  }

  done(run: string): void {
    this.#underWay.delete(run);
    this.#done++;
    this.#report();
  }

  #report(): void {
    const current = [...this.#underWay].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#tell?.({
      steps: this.#done * this.#stepsOfRun + current.reduce((sum, [, { step }]) => sum + step, 0),
      totalSteps: this.#totalRuns * this.#stepsOfRun,
      runs: this.#done,
      totalRuns: this.#totalRuns,
      underWay: current.map(([name, { epoch }]) => `${name} epoch ${epoch + 1}`),
    });
  }
}
