import type { RunPosition } from "../train/checkpoint.js";

/** Steps at the beginning that do not count: kernels are planned, memory grows. */
const warmUp = 5;

/** Fewer counted steps than this say nothing. */
const enough = 10;

/** Processor time of training steps: what a busy machine disturbs least. Evaluation between epochs does not count. */
export class StepMeter {
  #seen = 0;
  #counted = 0;
  #microseconds = 0;
  #last: { readonly epoch: number; readonly time: number } | undefined;

  /** To be called after each step. */
  step({ epoch }: RunPosition): void {
    const { user, system } = process.cpuUsage();
    const time = user + system;
    if (this.#last?.epoch === epoch && this.#seen >= warmUp) {
      this.#microseconds += time - this.#last.time;
      this.#counted++;
    }
    this.#seen++;
    this.#last = { epoch, time };
  }

  /** Whether a whole step ran, so that memory has had its peak. */
  get ran(): boolean {
    return this.#seen > 0;
  }

  /** Mean, in seconds; null for too few steps. */
  get seconds(): number | null {
    return this.#counted < enough ? null : this.#microseconds / 1e6 / this.#counted;
  }
}
