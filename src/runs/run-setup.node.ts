import type { SplitOrigin } from "../api/datasets.node.js";
import { FormatError } from "../core/errors.js";
import type { TrainConfig } from "../train/config.js";
import type { RunDirectory } from "../train/run-directory.node.js";

/** What config.json holds. */
export interface RunSetup {
  /** Metadata of the model at the start, for the reader: the model itself is in initial.safetensors. */
  readonly model: Record<string, string>;
  /** Null: data sets that the caller had open. */
  readonly data: SplitOrigin | null;
  /**
   * Part of the training pictures that judges epochs, or "given": pictures of their own. Runs of the time when the test pictures chose the
   * epoch have none: 0.
   */
  readonly validation?: number | "given";
  readonly config: TrainConfig;
  /** Of the backend (see `Backend`); runs of the time before native kernels have none. */
  readonly arithmetic?: string;
  /** The command line that began the run; undefined where a program did. */
  readonly command?: string;
  /** Each time that the run was given another number of epochs; `config.epochs` is the last one. */
  readonly changedLengths?: readonly ChangedLength[];
}

/** A run that was given another number of epochs. */
export interface ChangedLength {
  readonly from: number;
  readonly to: number;
  /** Epochs and steps that were done then. */
  readonly atEpoch: number;
  readonly atStep: number;
}

/** @throws FormatError where config.json holds something else. */
export function readSetup(run: RunDirectory): RunSetup {
  const setup = run.readConfig() as Partial<RunSetup> | null;
  const { data, config, validation = 0, changedLengths = [] } = setup ?? {};
  const isOrigin = typeof data?.place === "string" && Number.isFinite(data.holdOut) && Number.isSafeInteger(data.seed);
  const isPart = validation === "given" || (validation >= 0 && validation < 1);
  const areChanges =
    Array.isArray(changedLengths) && changedLengths.every((change) => Number.isInteger(change?.atEpoch));
  const isConfig = typeof config === "object" && config !== null;
  if (isConfig && (data === null || isOrigin) && isPart && areChanges) return setup as RunSetup;
  throw new FormatError({
    expected: "the configuration of a run",
    received: `something else in ${run.file("config.json")}`,
    remedy: "begin a new run",
  });
}
