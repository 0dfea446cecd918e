import type { ChannelStatistics } from "../../operators/channel-statistics.js";
import type { LinearBlock } from "./blocks.js";
import type { Cause } from "./finding.js";
import type { Kernel } from "./kernel.js";

/** A guess at what was done to a block, in words. */
export interface Guess {
  readonly cause: Cause;
  /** What the other side "has", "lacks", …: "has ε = 0.001 instead of 0.00001 in BatchNorm". */
  readonly what: string;
  readonly remedy: string;
}

/** A guess with the kernel that it would have made of the block: the measured kernel proves or refutes it. */
export interface Hypothesis extends Guess {
  /** Undefined where the guess makes no kernel. */
  predict(): Kernel | undefined;
}

/** A block whose structure the guesses are made of, and the kernel that has to be explained. */
export interface Subject {
  readonly block: LinearBlock;
  /** The block's own kernel. */
  readonly kernel: Kernel;
  readonly observed: Kernel;
  /** The block reads the net's input. */
  readonly first: boolean;
  /** ε of the other side's BatchNorm nodes. */
  readonly otherEpsilons: readonly number[];
  /** Statistics of a batch by BatchNorm node name, where they were measured. */
  batchStatistics(): ReadonlyMap<string, ChannelStatistics> | undefined;
}

/** Guesses of one kind, in tiers: a later tier (rarer, dearer) is tried when nothing in an earlier one explains the difference. */
export type Hypotheses = (subject: Subject) => readonly (readonly Hypothesis[])[];
