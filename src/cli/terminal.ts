import { inspect } from "node:util";
import { Ansis } from "ansis";
import { Presets, SingleBar } from "cli-progress";
import Table from "cli-table3";

/** Options that every command has. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** A job of known length that reports how far it is. */
export interface Progress {
  /** Sets how many units are done; `note` is shown at the end of the line ("loss 0.42"). */
  update(done: number, note?: string): void;
  stop(): void;
}

/**
 * What a command writes. Results go to standard output, everything else (progress, remarks, errors) to standard error,
 * so that a pipe carries results only. `--json`: one object on standard output; `--quiet`: no progress, no remarks.
 */
export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: Ansis;
  readonly #interactive: boolean;

  constructor(options: OutputOptions) {
    this.json = options.json ?? false;
    this.quiet = options.quiet ?? false;
    this.color = new Ansis();
    this.#interactive = process.stderr.isTTY === true && process.env["TERM"] !== "dumb";
  }

  /** A line for the reader. */
  say(line = ""): void {
    if (!this.json && !this.quiet) process.stderr.write(`${line}\n`);
  }

  /** Names files that were left out, so that nobody wonders where they went. */
  sayEachSkipped(files: readonly { readonly file: string; readonly reason: string }[]): void {
    for (const { file, reason } of files.slice(0, 10)) this.say(`skipped ${file}: ${reason}`);
    if (files.length > 10) this.say(`… and ${files.length - 10} more files that cannot be used`);
  }

  /** The command's result: `value` under --json, else the text that `text` makes. */
  result(value: unknown, text: () => string): void {
    process.stdout.write(this.json ? `${JSON.stringify(value, jsonValue, 2)}\n` : `${text()}\n`);
  }

  /** Rows under a header, numbers to the right. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
    const table = new Table({
      head: head.map((cell) => this.color.bold(cell)),
      colAligns: head.map((_, column) => (column === 0 ? "left" : "right")),
      style: { head: [], border: ["gray"], compact: true },
    });
    for (const row of rows) table.push(row.map(String));
    return table.toString();
  }

  /** A bar with rate and time left on a terminal; elsewhere a plain line at every tenth. */
  progress(label: string, total: number, unit: string): Progress {
    if (this.json || this.quiet || total <= 0) return { update() {}, stop() {} };
    return this.#interactive ? bar(label, total, unit) : plainLines(label, total, unit);
  }
}

function bar(label: string, total: number, unit: string): Progress {
  const start = performance.now();
  const single = new SingleBar(
    {
      format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {rate} ${unit}/s | ETA {left} | {note}`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: false,
      fps: 8,
      barsize: 24,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  single.start(total, 0, { rate: "–", left: "–", note: "" });
  return {
    update(done, note = "") {
      const seconds = (performance.now() - start) / 1000;
      const rate = done / Math.max(seconds, 1e-9);
      single.update(done, { rate: shortNumber(rate), left: duration((total - done) / rate), note });
    },
    stop() {
      single.stop();
    },
  };
}

function plainLines(label: string, total: number, unit: string): Progress {
  const start = performance.now();
  let shown = 0;
  return {
    update(done, note = "") {
      const tenth = Math.floor((done / total) * 10);
      if (tenth <= shown) return;
      shown = tenth;
      const rate = done / Math.max((performance.now() - start) / 1000, 1e-9);
      process.stderr.write(
        `${label} ${done}/${total} ${unit}, ${shortNumber(rate)} ${unit}/s, ETA ${duration((total - done) / rate)}${note ? `, ${note}` : ""}\n`,
      );
    },
    stop() {},
  };
}

/** Three significant digits: 0.0123, 4.56, 78.9, 1,234. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

/** Seconds as a reader says them: 0.8 s, 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Bytes in binary units: 512 B, 1.5 KiB, 33.2 MiB. */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A share as per cent with two decimals. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** A stack for bugs, whatever was thrown. */
export function describeBug(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
  return value;
}
