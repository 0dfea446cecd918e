import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { BenchJob } from "./job.js";
import type { FromChild, ToChild } from "./messages.js";

const main = fileURLToPath(new URL("./child-main.node.js", import.meta.url));

/** A process that runs one engine. */
export class BenchChild {
  readonly #process: ChildProcess;
  #errors = "";

  constructor() {
    this.#process = fork(main, [], {
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#process.stderr!.on("data", (data: Buffer) => {
      this.#errors = `${this.#errors}${data}`.slice(-2000);
    });
  }

  prepare(job: BenchJob): Promise<FromChild> {
    return this.#ask({ type: "prepare", job });
  }

  round(milliseconds: number): Promise<FromChild> {
    return this.#ask({ type: "round", milliseconds });
  }

  stop(): void {
    this.#process.kill("SIGKILL"); // it has nothing to put in order
  }

  #ask(message: ToChild): Promise<FromChild> {
    const child = this.#process;
    return new Promise((resolve) => {
      const done = (reply: FromChild): void => {
        child.off("message", done).off("exit", died);
        resolve(reply);
      };
      const died = (code: number | null, signal: NodeJS.Signals | null): void => {
        const last = this.#errors.trim().split("\n").at(-1);
        done({ type: "failed", reason: last || `the process ended with ${signal ?? `code ${code}`}` });
      };
      child.on("message", done).on("exit", died);
      if (child.exitCode !== null || child.signalCode !== null) died(child.exitCode, child.signalCode);
      else child.send(message, (error) => error && done({ type: "failed", reason: error.message }));
    });
  }
}
