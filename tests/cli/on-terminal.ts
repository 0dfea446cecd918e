import { execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { main } from "./support.js";

const script = fileURLToPath(new URL("on-terminal.py", import.meta.url));

/** Why no command can be run on a terminal here; undefined where one can. */
export const noTerminal: string | undefined = (() => {
  try {
    execFileSync("python3", ["-c", "import pty, fcntl, termios"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no python3 with its module pty here";
  }
})();

export interface OnTerminal {
  /** Text of the output after which Ctrl-C is pressed; "": the start. */
  readonly after?: string;
  /** Seconds from there. */
  readonly delay?: number;
  /** How often Ctrl-C is pressed. Default 1. */
  readonly presses?: number;
  /** Seconds between two presses. Default 0.3. */
  readonly between?: number;
  /** Seconds that it may take from the first press on. Default 20. */
  readonly patience?: number;
  readonly columns?: number;
}

export interface EndedOnTerminal {
  /** As a shell has it: 128 + the signal's number for a process that a signal ended. */
  readonly code: number;
  readonly hung: boolean;
  /** Ctrl-C was pressed before the command had ended by itself. */
  readonly pressed: boolean;
  readonly seconds: number | null;
  /** All that was written to the terminal, standard output and error. */
  readonly output: string;
}

/** Runs the built command on a terminal of its own and presses Ctrl-C there. */
export function onTerminal(args: readonly string[], cwd: string, options: OnTerminal = {}): Promise<EndedOnTerminal> {
  const { after = "", delay = 0, presses = 1, between = 0.3, patience = 20, columns = 100 } = options;
  const command = [process.execPath, main, ...args];
  const asked = JSON.stringify({ command, cwd, after, delay, presses, between, patience, columns });
  return new Promise((resolve, reject) => {
    const { FORCE_COLOR: _, NO_COLOR: __, CI: ___, ...env } = process.env;
    const child = spawn("python3", [script, asked], { env: { ...env, TERM: "xterm" } });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data: Buffer) => {
      stdout += data;
    });
    child.stderr.on("data", (data: Buffer) => {
      stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(JSON.parse(stdout)) : reject(new Error(stderr))));
  });
}

/** What is left of a terminal's state: the cursor and the wrapping of lines have to be on at the end. */
export function terminalState(output: string): { cursor: boolean; wrap: boolean; ownLine: boolean } {
  const last = (on: string, off: string): boolean => output.lastIndexOf(on) >= output.lastIndexOf(off);
  return {
    cursor: last("\x1b[?25h", "\x1b[?25l"),
    wrap: last("\x1b[?7h", "\x1b[?7l"),
    // The terminal echoes ^C where the cursor stands; what is written after it begins a line.
    ownLine: !/[█░]{4}[^\r\n]*(?:stopped|stopping|repvgg:)/.test(output),
  };
}
