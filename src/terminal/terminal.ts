import { Ansis } from "ansis";
import Table from "cli-table3";
import { endProgress, type Progress, progressBar, progressLines, rateMeter, silentProgress } from "./progress.js";
import { takeSignals } from "./signals.js";
import { columnWidths, lineLength, records, wrapped } from "./table-widths.js";

/** Options that every command has. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Files that are named one by one; of more, only how many. */
const maxNamedFiles = 10;

/** Colours on a terminal or where they are asked for; never in a pipe, not even where the CI variable is set. */
function colors(): Ansis {
  const wanted = process.stdout.isTTY === true || process.env["FORCE_COLOR"] !== undefined;
  return wanted ? new Ansis() : new Ansis(0);
}

/**
 * What a command writes. Results go to standard output, everything else (progress, remarks, errors) to standard error,
 * so that a pipe carries results only. `--json`: one object on standard output; `--quiet`: no progress, no remarks.
 */
export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #color = colors();
  readonly #interactive = process.stderr.isTTY === true && process.env["TERM"] !== "dumb";
  #barsEnded = false;
  #skipped = 0;

  constructor(options: OutputOptions) {
    this.json = options.json ?? false;
    this.quiet = options.quiet ?? false;
  }

  /** A line for the reader; it ends the bar that is under way. */
  say(line = ""): void {
    if (this.json || this.quiet) return;
    endProgress();
    process.stderr.write(`${line}\n`);
  }

  /** Names a file that was left out, so that nobody wonders where it went. */
  saySkipped({ file, reason }: { readonly file: string; readonly reason: string }): void {
    this.#skipped++;
    if (this.#skipped <= maxNamedFiles) this.say(`skipped ${file}: ${reason}`);
    else if (this.#skipped === maxNamedFiles + 1)
      this.say("more files are skipped; repvgg data names them all in --json");
  }

  /** The command's result: `value` under --json (an object), else the text that `text` makes. */
  result(value: object, text: () => string): void {
    endProgress();
    process.stdout.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
  }

  /** Letters of a line of results: those of the terminal; in a pipe as many as wanted. */
  get columns(): number {
    return process.stdout.columns ?? Number.POSITIVE_INFINITY;
  }

  /** Writes a part of the result as it comes, and waits where the reader is slower. */
  async write(text: string): Promise<void> {
    if (process.stdout.write(text)) return;
    await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
  }

  /** Rows under a header, numbers to the right. Cells wrap where the terminal is too narrow, rows become lists where that is not enough. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
    const texts = rows.map((row) => row.map(String));
    const longest = head.map((cell, i) => Math.max(cell.length, ...texts.map((row) => (row[i] ?? "").length)));
    const widths = columnWidths(longest, this.columns, 3);
    if (lineLength(widths, 3) > this.columns)
      return records(head, texts, this.columns, (title) => this.#color.bold(title));
    const fitted = (cell: string, i: number): string[] => wrapped(cell, widths[i] ?? cell.length);
    const table = new Table({
      head: head.map((cell, i) =>
        fitted(cell, i)
          .map((line) => this.#color.bold(line))
          .join("\n"),
      ),
      colAligns: head.map((_, column) => (column === 0 ? "left" : "right")),
      style: { head: [], border: [], compact: true },
    });
    for (const row of texts) table.push(row.map((cell, i) => fitted(cell, i).join("\n")));
    return table.toString();
  }

  /**
   * A bar with rate and time left on a terminal; elsewhere a plain line now and then. The one before it ends.
   * @param rate one that lasts over several bars of the same job
   */
  progress(label: string, total: number, unit: string, rate = rateMeter(total, unit)): Progress {
    endProgress();
    if (this.json || this.quiet || total <= 0 || this.#barsEnded) return silentProgress;
    if (!this.#interactive) return progressLines(label, total, unit, rate);
    return progressBar(label, total, unit, rate, takeSignals());
  }

  /** Ends the bar under way, and shows none from now on: for work that Ctrl-C told to stop. */
  endBars(): void {
    if (!endProgress() && this.#interactive && !this.json && !this.quiet) process.stderr.write("\n"); // after the echo ^C
    this.#barsEnded = true;
  }

  /** A callback that shows a bar from its first call on, for jobs whose length shows only then. */
  counting(label: string, unit: string): (done: number, total: number) => void {
    let progress: Progress | undefined;
    return (done, total) => {
      progress ??= this.progress(label, total, unit);
      progress.update(done);
      if (done >= total) progress.stop();
    };
  }
}
