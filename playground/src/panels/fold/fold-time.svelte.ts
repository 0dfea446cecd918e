import { surroundings } from "../../app/surroundings.svelte.js";

export const lastStep = 4;

/** Where the fold stands: 0 … 4, whole numbers are the steps, between them it moves. */
export class FoldTime {
  t = $state(0);
  playing = $state(false);
  #frame = 0;

  constructor(step: number) {
    this.t = Math.min(lastStep, step);
  }

  get step(): number {
    return Math.round(this.t);
  }

  /** Takes hold of the slider: whatever moves stops. */
  hold(t: number): void {
    this.stop();
    this.t = t;
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    this.playing = false;
  }

  /** Moves to a step. @param seconds for one step's way */
  goTo(step: number, seconds = 0.9): Promise<void> {
    this.stop();
    const target = Math.max(0, Math.min(lastStep, step));
    const from = this.t;
    const duration = Math.abs(target - from) > 1 ? seconds * Math.sqrt(Math.abs(target - from)) : seconds;
    if (surroundings.reducedMotion || from === target) {
      this.t = target;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const start = performance.now();
      const tick = (now: number): void => {
        const part = Math.min(1, (now - start) / (1000 * duration));
        this.t = from + (target - from) * part;
        if (part < 1) this.#frame = requestAnimationFrame(tick);
        else resolve();
      };
      this.#frame = requestAnimationFrame(tick);
    });
  }

  /** From here (or from the start) to the end, with a rest at each step. */
  async play(): Promise<void> {
    if (this.t >= lastStep) this.t = 0;
    this.playing = true;
    while (this.t < lastStep) {
      await this.goTo(Math.floor(this.t + 1e-6) + 1, 1.3);
      this.playing = true; // goTo stopped what played before
      const rested = await this.#rest(this.t < lastStep ? 800 : 0);
      if (!rested) return;
    }
    this.playing = false;
  }

  /** False when it was stopped meanwhile. */
  #rest(milliseconds: number): Promise<boolean> {
    const t = this.t;
    return new Promise((resolve) => {
      setTimeout(() => resolve(this.playing && this.t === t), milliseconds);
    });
  }
}

/** How far a phase is that begins at `start` and takes one step: 0 … 1, slow at both ends. */
export function phase(t: number, start: number): number {
  const x = Math.max(0, Math.min(1, t - start));
  return x * x * (3 - 2 * x);
}

export function mix(from: number, to: number, part: number): number {
  return from + (to - from) * part;
}
