import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { AblationRun } from "../../analysis/ablation/summary.js";
import { unpackError } from "../../core/packed-error.js";
import type { RunPosition } from "../../train/checkpoint.js";
import type { FromChild, ToChild } from "./messages.node.js";
import type { VariantJob } from "./train-variant.node.js";

const main = fileURLToPath(new URL("./child-main.node.js", import.meta.url));

type StepListener = (position: RunPosition, loss: number) => void;

/** A process that trains nets of an ablation. */
export class AblationChild {
  readonly #process: ChildProcess;
  #errors = "";

  constructor() {
    this.#process = fork(main, [], {
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#process.stderr!.on("data", (data: Buffer) => {
      this.#errors = `${this.#errors}${data}`.slice(-4000);
    });
  }

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
    if (this.#process.connected) this.#process.send({ type: "stop" } satisfies ToChild);
  }

  end(): void {
    if (this.#process.connected) this.#process.disconnect();
  }

  #ask(message: ToChild, onStep?: StepListener): Promise<FromChild> {
    const child = this.#process;
    return new Promise((resolve, reject) => {
      const settled = (): void => void child.off("message", heard).off("exit", died);
      const heard = (reply: FromChild): void => {
        if (reply.type === "step") {
          onStep?.(reply.position, reply.loss);
          return;
        }
        settled();
        if (reply.type === "failed") reject(unpackError(reply.error));
        else resolve(reply);
      };
      const died = (code: number | null, signal: NodeJS.Signals | null): void => {
        settled();
        const last = this.#errors.trim();
        reject(new Error(`a training process ended with ${signal ?? `code ${code}`}${last && `: ${last}`}`));
      };
      child.on("message", heard).on("exit", died);
      if (child.exitCode !== null || child.signalCode !== null) died(child.exitCode, child.signalCode);
      else child.send(message);
    });
  }
}
