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

/** Milliseconds between two drawings of a bar. */
const drawEvery = 125;

/** Characters of a bar's own strip, where there is room for them. */
const stripLength = 24;

/** The bar whose line the cursor stands in. */
let shown: Progress | undefined;

/**
 * Ends the bar that is on the screen, if one is: what is written next begins a line. For every way out of the process.
 * @returns whether there was one
 */
export function endProgress(): boolean {
  const bar = shown;
  bar?.stop();
  return bar !== undefined;
}

/**
 * A bar with rate and time left, for a terminal; the one before it ends. It leaves the terminal as it is: the cursor stays visible,
 * long lines stay wrapped (the bar fits its line), and no timer runs, so that a process which dies at any moment, by whatever
 * signal, has nothing to restore.
 * @param onStop told once when the bar has ended
 */
export function progressBar(
  label: string,
  total: number,
  unit: string,
  rate: RateMeter,
  onStop: () => void = () => undefined,
): Progress {
  endProgress();
  let [done, speed, note, drawn] = [0, "", "", performance.now()];
  const draw = (): void => {
    const parts = [`${Math.floor((100 * done) / total)}%`.padStart(4), `${done}/${total} ${unit}`, speed, note];
    process.stderr.write(`\r${fitted(label, done / total, parts, process.stderr.columns ?? 80)}\x1b[K`);
  };
  const bar: Progress = {
    update(now, more = "") {
      if (shown !== bar) return;
      [done, speed, note] = [now, rate(now), more];
      const time = performance.now();
      if (time - drawn < drawEvery) return;
      drawn = time;
      draw();
    },
    stop() {
      if (shown !== bar) return;
      shown = undefined;
      draw();
      process.stderr.write("\n");
      onStop();
    },
  };
  shown = bar;
  draw();
  return bar;
}

/** A bar's line for so many columns: the strip gets shorter first, then the end is cut. */
export function fitted(label: string, share: number, parts: readonly string[], columns: number): string {
  const text = parts.filter(Boolean).join(" | ");
  const room = columns - 1; // a line that is full wraps on some terminals
  const length = Math.min(stripLength, room - label.length - text.length - 2);
  const filled = Math.round(Math.min(1, Math.max(0, share)) * length);
  const strip = length >= 4 ? "█".repeat(filled) + "░".repeat(length - filled) : "";
  return [label, strip, text].filter(Boolean).join(" ").slice(0, Math.max(0, room));
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
