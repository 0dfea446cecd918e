import { Presets, SingleBar } from "cli-progress";
import { duration, shortNumber } from "./format.js";

/** A job of known length that reports how far it is. */
export interface Progress {
  /** Sets how many units are done; `note` is shown at the end of the line ("loss 0.42"). */
  update(done: number, note?: string): void;
  stop(): void;
}

/** Of jobs that nobody watches. */
export const silentProgress: Progress = { update() {}, stop() {} };

/** What there is to say about the speed when so many units are done. */
export type RateMeter = (done: number) => string;

/** Seconds between two lines where there is no terminal. */
const lineSeconds = 5;

/** A bar with rate and time left, for a terminal. */
export function progressBar(label: string, total: number, unit: string, rate: RateMeter): Progress {
  const single = new SingleBar(
    {
      format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {rate}{note}`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: false,
      fps: 8,
      barsize: 24,
      gracefulExit: false,
      autopadding: true,
    },
    Presets.shades_classic,
  );
  single.start(total, 0, { rate: "", note: "" });
  return {
    update: (done, note) => single.update(done, { rate: rate(done), note: note ? ` | ${note}` : "" }),
    stop: () => single.stop(),
  };
}

/** A plain line every few seconds, for files and pipes. */
export function progressLines(label: string, total: number, unit: string, rate: RateMeter): Progress {
  let shown = performance.now();
  return {
    update(done, note) {
      const speed = rate(done);
      const now = performance.now();
      if (now - shown < lineSeconds * 1000 || done >= total) return;
      shown = now;
      process.stderr.write(`${[`${label} ${done}/${total} ${unit}`, speed, note].filter(Boolean).join(", ")}\n`);
    },
    stop() {},
  };
}

/** "123 img/s, ETA 4.2 s", counted from the first unit on, so that preparations do not spoil the rate. */
export function rateMeter(total: number, unit: string): RateMeter {
  let first: { done: number; time: number } | undefined;
  return (done) => {
    const time = performance.now();
    first ??= { done, time };
    if (done === first.done) return "";
    const rate = (done - first.done) / Math.max((time - first.time) / 1000, 1e-9);
    return `${shortNumber(rate)} ${unit}/s, ETA ${duration((total - done) / rate)}`;
  };
}
