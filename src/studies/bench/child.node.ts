import { Child } from "../child.node.js";
import type { BenchJob } from "./job.js";
import type { FromChild, ToChild } from "./messages.js";

/** A process that runs one engine. What goes wrong in it is an answer: the other engines go on. */
export class BenchChild {
  readonly #child = new Child<ToChild, FromChild>(new URL("./child-main.node.js", import.meta.url));

  prepare(job: BenchJob): Promise<FromChild> {
    return this.#ask({ type: "prepare", job });
  }

  round(milliseconds: number): Promise<FromChild> {
    return this.#ask({ type: "round", milliseconds });
  }

  stop(): void {
    this.#child.kill(); // it has nothing to put in order
  }

  #ask(message: ToChild): Promise<FromChild> {
    return this.#child.ask(message).catch((error: Error) => ({ type: "failed", reason: lastLine(error.message) }));
  }
}

/** Of several: what a process wrote last before it died. */
function lastLine(text: string): string {
  return text.split("\n").at(-1)!;
}
