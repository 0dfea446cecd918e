import { availableParallelism } from "node:os";
import { trainAndTest } from "../../api/datasets.node.js";
import type { BackendKind } from "../../backend/options.js";
import { workOff } from "../../studies/work-queue.node.js";
import { StudyChild } from "./child.node.js";
import { studyPictures } from "./pictures.js";
import { choiceParts, chooseParts, partConfig, partName, resultParts, type StudyPart, type StudyPlan } from "./plan.js";
import type { StudyRun } from "./results.js";
import { StudyDirectory } from "./study-directory.node.js";
import { forgetPart } from "./train-part.node.js";

/** How far a session of a study is. */
export interface StudyProgress {
  /** Training steps of the session's parts. */
  readonly steps: number;
  readonly totalSteps: number;
  /** Parts under way, by name. */
  readonly underWay: readonly string[];
}

/** What does not change the results. */
export interface StudySession {
  /** Only parts whose names begin so; see chooseParts. Default: all results. */
  readonly parts?: readonly string[];
  /** Train the choices instead of the results. */
  readonly choose?: boolean;
  /** Where the pictures lie now. Default: as the plan says. */
  readonly place?: string;
  /** Processes that train at the same time. Default: as many as fill the machine's cores. */
  readonly jobs?: number;
  /** Threads of each process. Default 1. */
  readonly threads?: number;
  readonly kernels?: BackendKind;
  /** Stops after the steps under way, with checkpoints. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
  readonly onRun?: (run: StudyRun) => void;
}

export interface StudyState {
  readonly directory: StudyDirectory;
  readonly plan: StudyPlan;
  readonly runs: readonly StudyRun[];
  /** Parts of the plan that have no result, choices left out. */
  readonly remaining: readonly StudyPart[];
}

/** What a study's folder holds. @throws UserError when it holds none */
export function studyState(folder: string): StudyState {
  const directory = StudyDirectory.open(folder);
  const plan = directory.readPlan();
  const runs = directory.readRuns();
  const done = new Set(runs.map(({ part }) => partName(part)));
  return { directory, plan, runs, remaining: resultParts(plan).filter((part) => !done.has(partName(part))) };
}

/**
 * Trains what is not done of a study's parts, and appends a line for each to its results. Whatever ends it, it is gone on with by calling
 * it again. One session at a time.
 * @throws UserError for unknown parts or data that cannot be read
 */
export async function runStudy(folder: string, session: StudySession = {}): Promise<StudyState> {
  const { directory, plan, runs } = studyState(folder);
  const { threads = 1, kernels, signal, onRun } = session;
  const { jobs = Math.max(1, Math.floor(availableParallelism() / threads)) } = session;
  await directory.mendRuns();
  const done = new Set(runs.map(({ part }) => partName(part)));
  const asked = chooseParts(session.choose ? choiceParts(plan) : resultParts(plan), session.parts);
  const queue = asked.filter((part) => !done.has(partName(part)));
  if (queue.length === 0) return studyState(folder);
  const here = session.place === undefined ? plan : { ...plan, data: { ...plan.data, place: session.place } };
  // Before any process starts: errors of the data are said once.
  const { train } = studyPictures(await trainAndTest(here.data.place, here.data), here);
  for (const part of queue) partConfig(plan, part);
  const progress = new SessionProgress(queue, Math.floor(train.length / plan.config.batchSize), session.onProgress);
  const workers = Array.from({ length: Math.min(jobs, queue.length) }, () => {
    const child = new StudyChild();
    return {
      open: () => child.open(here, threads, kernels),
      work: (part: StudyPart) => child.train(part, directory.partPath(part), (steps) => progress.step(part, steps)),
      stop: () => child.stop(),
      end: () => child.end(),
    };
  });
  await workOff(workers, queue, signal, (run, part) => {
    directory.appendRun(run);
    forgetPart(directory.partPath(part));
    progress.done(part);
    onRun?.(run);
  });
  return studyState(folder);
}

/** Adds up the steps of a session's parts. */
class SessionProgress {
  readonly #stepsPerEpoch: number;
  readonly #totalSteps: number;
  readonly #tell: StudySession["onProgress"];
  readonly #underWay = new Map<string, number>();
  #steps = 0;

  constructor(queue: readonly StudyPart[], stepsPerEpoch: number, tell: StudySession["onProgress"]) {
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#totalSteps = queue.reduce((sum, { epochs }) => sum + epochs * stepsPerEpoch, 0);
    this.#tell = tell;
  }

  step(part: StudyPart, steps: number): void {
    this.#underWay.set(partName(part), steps);
    this.#report();
  }

  done(part: StudyPart): void {
    this.#underWay.delete(partName(part));
    this.#steps += part.epochs * this.#stepsPerEpoch;
    this.#report();
  }

  #report(): void {
    const current = [...this.#underWay].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#tell?.({
      steps: this.#steps + current.reduce((sum, [, steps]) => sum + steps, 0),
      totalSteps: this.#totalSteps,
      underWay: current.map(([name, steps]) => `${name} epoch ${Math.floor(steps / this.#stepsPerEpoch) + 1}`),
    });
  }
}
