import type { BackendKind } from "../../backend/options.js";
import { unpackError } from "../../core/packed-error.js";
import { Child } from "../../studies/child.node.js";
import type { FromChild, ToChild } from "./messages.node.js";
import type { StudyPart, StudyPlan } from "./plan.js";
import type { StudyRun } from "./results.js";

/** A process that trains parts of a depth study. */
export class StudyChild {
  readonly #child = new Child<ToChild, FromChild>(new URL("./child-main.node.js", import.meta.url));

  /** Resolves when all pictures are decoded. @throws UserError when the data cannot be read. */
  async open(plan: StudyPlan, threads: number, kernels: BackendKind | undefined): Promise<void> {
    await this.#ask({ type: "open", plan, threads, kernels });
  }

  /** @returns undefined where the part was stopped. */
  async train(part: StudyPart, folder: string, onStep: (steps: number) => void): Promise<StudyRun | undefined> {
    const reply = await this.#ask({ type: "train", part, folder }, onStep);
    return reply.type === "done" ? reply.run : undefined;
  }

  /** The part under way ends with a checkpoint. */
  stop(): void {
    this.#child.tell({ type: "stop" });
  }

  end(): void {
    this.#child.end();
  }

  async #ask(message: ToChild, onStep?: (steps: number) => void): Promise<FromChild> {
    const reply = await this.#child.ask(message, (reply) => {
      if (reply.type !== "step") return false;
      onStep?.(reply.steps);
      return true;
    });
    if (reply.type === "failed") throw unpackError(reply.error);
    return reply;
  }
}
