import type { Backend } from "../backend/backend.js";
import type { Model } from "../nn/model.js";
import { createNetwork, type Network } from "../nn/network.js";
import { scale } from "../tensor/ops/scale.js";
import { Tape } from "../tensor/tape.js";
import type { Checkpoint } from "./checkpoint.js";
import { type ClassBalance, classBalance } from "./class-balance.js";
import type { TrainConfig } from "./config.js";
import { DivergenceError } from "./divergence.js";
import { freezingOf } from "./freezing.js";
import { layerRates } from "./layer-rates.js";
import { type BatchPlace, batchLoss, forwardBatch } from "./loss.js";
import { ClassificationMetrics } from "./metrics.js";
import { Optimizer } from "./optimizer.js";
import { partsOf, type TrainingBatch } from "./training-batch.js";
import { WeightAverage } from "./weight-average.js";

/**
 * A net in training: its network, optimizer and average in kernel memory. One call a step; what is fed, for how long and
 * what is saved is the loop's business. Deterministic: the same batches in the same order give the same bits.
 */
export class Trainer {
  readonly #model: Model;
  readonly #config: TrainConfig;
  readonly #network: Network;
  readonly #tape: Tape;
  readonly #optimizer: Optimizer;
  readonly #average: WeightAverage | undefined;
  readonly #balance: ClassBalance | undefined;

  /**
   * @param classCounts training pictures of each class, where `config.balance` needs them
   * @throws UserError when the model is a plain one without branches' gradients to train, or does not fit the backend.
   */
  constructor(backend: Backend, model: Model, config: TrainConfig, classCounts?: readonly number[]) {
    if (config.balance !== "none" && !classCounts) throw new Error(`balance "${config.balance}" without class counts`);
    this.#balance = classCounts && classBalance(config, classCounts);
    this.#model = model;
    this.#config = config;
    this.#network = createNetwork(backend, model, { freezing: freezingOf(model.architecture, config) });
    const rateOf = layerRates(model.architecture, config);
    this.#tape = new Tape(backend);
    this.#optimizer = new Optimizer(
      backend,
      this.#network.learned().map(({ name, tensor, decay }) => ({
        name,
        words: tensor.size,
        pointer: tensor.pointer,
        gradient: () => tensor.gradient,
        decay: decay && !(config.customL2 && isBranchKernel(name)),
        rate: rateOf(name),
      })),
      { kind: config.optimizer, ...config },
    );
    const averaged = [...this.#network.learned(), ...this.#network.observed()];
    this.#average =
      config.ema > 0
        ? new WeightAverage(
            backend,
            averaged.map(({ name, tensor }) => ({ name, words: tensor.size, pointer: tensor.pointer })),
            config.ema,
          )
        : undefined;
  }

  /**
   * One optimizer step on a batch. On error (NaN loss included) the weights are those before the step.
   * @param step optimizer steps done before
   * @returns mean loss of the batch, as trained (label smoothing, mixup, auxiliary heads, custom L2)
   * @throws DivergenceError when the loss is not finite
   */
  step(batch: TrainingBatch, learningRate: number, epoch: number, step: number): number {
    const { accumulate } = this.#config;
    let loss = 0;
    const clearGradients = (): void => {
      for (const { tensor } of this.#network.parameters()) tensor.clearGradient();
    };
    clearGradients();
    try {
      for (const [index, part] of partsOf(batch, accumulate).entries()) {
        const weight = (part.size * accumulate) / batch.size; // 1 where parts are equal
        loss += this.#backward(part, { epoch, step, part: index }, weight);
      }
    } finally {
      this.#tape.reset();
    }
    loss /= accumulate;
    if (!Number.isFinite(loss))
      throw new DivergenceError(`a loss of ${loss} at step ${step + 1} of the run, in epoch ${epoch + 1}`);
    this.#optimizer.step(learningRate, step, 1 / accumulate);
    this.#average?.update(step);
    return loss;
  }

  /** Accuracy and loss over batches, with running BatchNorm statistics and (if on) averaged weights. */
  async evaluate(batches: AsyncIterable<TrainingBatch> | Iterable<TrainingBatch>): Promise<ClassificationMetrics> {
    const metrics = new ClassificationMetrics(this.#model.architecture.classes);
    this.#average?.swap();
    try {
      for await (const batch of batches) {
        const logits = this.#logits(batch);
        const { classes } = metrics;
        for (let i = 0; i < batch.size; i++)
          metrics.add(logits.subarray(i * classes, (i + 1) * classes), batch.labels[i]!, batch.indices[i]!);
      }
    } finally {
      this.#average?.swap();
    }
    return metrics;
  }

  /** Logits [pictures][classes] of the net as it would be used now: running BatchNorm statistics, averaged weights where they are on. */
  logits(batch: TrainingBatch): Float32Array {
    this.#average?.swap();
    try {
      return this.#logits(batch);
    } finally {
      this.#average?.swap();
    }
  }

  /** The net as it would be used now: averaged weights where the average is on. */
  model(provenance: Readonly<Record<string, string>> = {}): Model {
    this.#average?.swap();
    try {
      const { metadata } = this.#model;
      return {
        ...this.#model,
        state: this.#network.state(),
        metadata: { ...metadata, provenance: { ...metadata.provenance, ...provenance } },
      };
    } finally {
      this.#average?.swap();
    }
  }

  /**
   * Everything but the position, for a checkpoint.
   * @throws DivergenceError when a weight is not finite: a step can overflow weights that gave a finite loss before it.
   */
  state(): Omit<Checkpoint, "position"> {
    const model = this.#network.state();
    for (const [name, { data }] of model) {
      if (data instanceof Float32Array && !data.every(Number.isFinite))
        throw new DivergenceError(`${name} that is not`);
    }
    return { model, optimizer: this.#optimizer.state(), average: this.#average?.state() ?? new Map() };
  }

  /** @throws UserError when the state is of another net or of other options. */
  loadState(state: Omit<Checkpoint, "position">): void {
    this.#network.loadState(state.model);
    this.#optimizer.loadState(state.optimizer);
    this.#average?.loadState(state.average);
  }

  dispose(): void {
    this.#tape.dispose();
    this.#optimizer.dispose();
    this.#average?.dispose();
    this.#network.dispose();
  }

  /** Adds the gradients of `weight` times a part's loss to the parameters'. @returns that product */
  #backward(part: TrainingBatch, place: BatchPlace, weight: number): number {
    const { preprocessing } = this.#model.metadata;
    const partLoss = batchLoss(this.#tape, this.#network, part, preprocessing, this.#config, place, this.#balance);
    const loss = scale(this.#tape, partLoss, weight);
    const value = loss.toArray()[0]!;
    if (Number.isFinite(value)) this.#tape.backward(loss);
    this.#tape.reset();
    return value;
  }

  #logits(batch: TrainingBatch): Float32Array {
    try {
      return this.#tape.noGradient(() => {
        const { preprocessing } = this.#model.metadata;
        return forwardBatch(this.#tape, this.#network, batch, preprocessing, { training: false }).logits.toArray();
      });
    } finally {
      this.#tape.reset();
    }
  }
}

/** The parameters whose decay custom L2 takes over: those of the 3×3 and 1×1 branches. */
function isBranchKernel(name: string): boolean {
  return name.includes("rbr_dense") || name.includes("rbr_1x1");
}
