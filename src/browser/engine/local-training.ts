import { softmax } from "../../classifier/prediction.js";
import { UserError } from "../../core/errors.js";
import type { Dataset, Image } from "../../data/dataset.js";
import { type Net, netOf } from "../../exchange/net.js";
import { Gate } from "../gate.js";
import type { NetInTraining } from "../train.js";
import type { EngineNet, Training, TrainingOptions, TrainingResult } from "./contract.js";
import { LocalNet, type NetOwner } from "./local-net.js";

/** The error for a look at a training that is not under way. */
export function notUnderWay(): UserError {
  return new UserError({
    expected: "a training between its first and last step",
    received: "one that has not begun or has ended",
  });
}

/** A training on the calling thread, which it shares with whoever comes between two steps. */
export class LocalTraining implements Training {
  readonly finished: Promise<TrainingResult>;
  readonly #owner: NetOwner;
  readonly #gate = new Gate();
  readonly #stop = new AbortController();
  #now: NetInTraining | undefined;

  constructor(
    owner: NetOwner,
    net: Net,
    sets: { readonly train: Dataset; readonly test: Dataset },
    options: TrainingOptions,
  ) {
    this.#owner = owner;
    this.finished = this.#run(net, sets, options);
  }

  pause(): void {
    if (!this.#stop.signal.aborted) this.#gate.close();
  }

  resume(): void {
    this.#gate.open();
  }

  stop(): void {
    this.#stop.abort();
  }

  async snapshot(): Promise<EngineNet> {
    if (this.#now) return this.#hold(this.#now.model());
    throw notUnderWay();
  }

  async #run(
    { model }: Net,
    sets: { readonly train: Dataset; readonly test: Dataset },
    options: TrainingOptions,
  ): Promise<TrainingResult> {
    const { onStep, onEpoch, watch, onWatched, signal, ...fields } = options;
    if (!model) throw new UserError({ expected: "a RepVGG to train", received: "a graph of another kind" });
    const stopWith = (): void => this.stop();
    if (signal?.aborted) this.stop();
    signal?.addEventListener("abort", stopWith);
    const watched = watch?.indices.map((index): Image => sets.test.read(index) as Image);
    try {
      // Bundlers make what few pages do a file of its own: the engine starts the sooner.
      const { train } = await import("../train.js");
      const result = await train(model, sets, {
        ...fields,
        backend: this.#owner.backend,
        gate: this.#gate,
        signal: this.#stop.signal,
        onStep: (step, net) => {
          this.#now = net;
          onStep?.(step);
          if (!watched || (step.step !== 1 && step.step % watch!.everySteps !== 0)) return;
          onWatched?.({ step: step.step, probabilities: net.logits(watched).map(softmax) });
        },
        ...(onEpoch && { onEpoch }),
      });
      const { model: trained, ...facts } = result;
      return { net: this.#hold(trained), ...facts };
    } finally {
      this.#now = undefined;
      signal?.removeEventListener("abort", stopWith);
    }
  }

  #hold(model: Parameters<typeof netOf>[0]): EngineNet {
    return this.#owner.hold(new LocalNet(this.#owner, netOf(model)));
  }
}
