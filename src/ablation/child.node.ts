import type { AblationRun } from "../analysis/ablation/summary.js";
import { unpackError } from "../core/packed-error.js";
import { Child } from "../studies/child.node.js";
import type { RunPosition } from "../train/checkpoint.js";
import type { FromChild, ToChild } from "./messages.node.js";
import type { VariantJob } from "./train-variant.node.js";

type StepListener = (position: RunPosition, loss: number) => void;

/** A process that trains nets of an ablation. */
export class AblationChild {
  readonly #child = new Child<ToChild, FromChild>(new URL("./child-main.node.js", import.meta.url));

  /** Resolves when all pictures are decoded. @throws UserError when the data cannot be read. */
  async open(request: Omit<Extract<ToChild, { type: "open" }>, "type">): Promise<void> {
    await this.#ask({ type: "open", ...request });
  }

  /** @returns undefined where the run was stopped. */
  async train(job: VariantJob, onStep: StepListener): Promise<AblationRun | undefined> {
    const reply = await this.#ask({ type: "train", job }, onStep);
    return reply.type === "done" ? reply.run : undefined;
  }

  /** The run under way ends with a checkpoint. */
  stop(): void {
    this.#child.tell({ type: "stop" });
  }

  end(): void {
    this.#child.end();
  }

  async #ask(message: ToChild, onStep?: StepListener): Promise<FromChild> {
    const reply = await this.#child.ask(message, (reply) => {
      if (reply.type !== "step") return false;
      onStep?.(reply.position, reply.loss);
      return true;
    });
    if (reply.type === "failed") throw unpackError(reply.error);
    return reply;
  }
}
