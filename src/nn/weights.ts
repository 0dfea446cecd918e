import type { Backend } from "../backend/backend.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { toFloat32 } from "../core/named-arrays.js";
import type { BatchNormState } from "../tensor/ops/batch-norm-state.js";
import { NamedTensor, Parameter } from "../tensor/tensor.js";
import { conformState } from "./check-state.js";
import type { StateSchema } from "./schema-builder.js";
import { fromChannelsLast, toChannelsLast } from "./weight-layout.js";

/** A tensor that gradients change. */
export interface NetworkParameter {
  readonly name: string;
  readonly tensor: Parameter;
  /** Weight decay applies (the authors' rule, see StateEntry). */
  readonly decay: boolean;
}

/** A BatchNorm running statistic. */
export interface NetworkBuffer {
  readonly name: string;
  readonly tensor: NamedTensor;
}

/** How much a new batch weighs in the running statistics; see BatchNormState. */
export type BatchNormMomentum = BatchNormState["momentum"];

/** A BatchNorm layer of a network, whose momentum can be changed. */
export interface BatchNormLayer extends BatchNormState {
  readonly path: string;
  momentum: BatchNormMomentum;
}

export interface BatchNormOptions {
  readonly momentum: BatchNormMomentum;
  /** ε by path. */
  readonly epsilon: (path: string) => number;
}

/**
 * A state in kernel memory: parameters, BN statistics and counters by official name, convolutions as HWIO. It owns the
 * memory and converts layouts when state enters or leaves; blocks hold references.
 */
export class Weights {
  readonly #schema: StateSchema;
  readonly #tensors = new Map<string, NamedTensor>();
  readonly #norms = new Map<string, BatchNormLayer>();

  /** @throws UserError when the state does not fit the schema. */
  constructor(backend: Backend, schema: StateSchema, state: NamedArrays, { momentum, epsilon }: BatchNormOptions) {
    this.#schema = schema;
    for (const entry of schema.values()) {
      if (entry.kind === "bn-count") continue;
      const Kind = entry.trainable ? Parameter : NamedTensor;
      this.#tensors.set(entry.name, new Kind(backend, entry.name, internalShape(entry.name, entry.shape)));
    }
    for (const { name, kind } of schema.values()) {
      if (kind !== "bn-count") continue;
      const path = name.replace(/\.num_batches_tracked$/, "");
      this.#norms.set(path, {
        path,
        gamma: this.parameter(`${path}.weight`),
        beta: this.parameter(`${path}.bias`),
        runningMean: this.#tensors.get(`${path}.running_mean`)!,
        runningVariance: this.#tensors.get(`${path}.running_var`)!,
        momentum,
        eps: epsilon(path),
        observed: { batches: 0, samples: 0 },
      });
    }
    this.load(state);
  }

  parameter(name: string): Parameter {
    const tensor = this.#tensors.get(name);
    if (!(tensor instanceof Parameter)) throw new Error(`no parameter ${name}`);
    return tensor;
  }

  batchNorm(path: string): BatchNormLayer {
    const norm = this.#norms.get(path);
    if (!norm) throw new Error(`no BatchNorm ${path}`);
    return norm;
  }

  /** In the official order. */
  parameters(): NetworkParameter[] {
    return [...this.#schema.values()]
      .filter((entry) => entry.trainable)
      .map(({ name, decay }) => ({ name, tensor: this.parameter(name), decay }));
  }

  buffers(): NetworkBuffer[] {
    return [...this.#schema.values()]
      .filter((entry) => entry.kind === "bn-mean" || entry.kind === "bn-var")
      .map(({ name }) => ({ name, tensor: this.#tensors.get(name)! }));
  }

  batchNorms(): BatchNormLayer[] {
    return [...this.#norms.values()];
  }

  /** A copy of everything, by official names and in official layouts. */
  state(): NamedArrays {
    const state = new Map<string, NamedArray>();
    for (const { name, shape, kind } of this.#schema.values()) {
      if (kind === "bn-count") {
        const { observed } = this.batchNorm(name.replace(/\.num_batches_tracked$/, ""));
        state.set(name, { dtype: "i64", shape, data: BigInt64Array.of(BigInt(observed.batches)) });
      } else {
        state.set(name, { dtype: "f32", shape, data: fromChannelsLast(this.#tensors.get(name)!.toArray(), shape) });
      }
    }
    return state;
  }

  /** @throws UserError when the state does not fit; then nothing has changed. */
  load(state: NamedArrays): void {
    for (const [name, array] of conformState(state, this.#schema)) {
      if (array.dtype === "i64") {
        const { observed } = this.batchNorm(name.replace(/\.num_batches_tracked$/, ""));
        observed.batches = Number(array.data[0]);
        observed.samples = 0;
      } else {
        this.#tensors.get(name)!.set(toChannelsLast(toFloat32(array), array.shape));
      }
    }
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
  }
}

/** Squeeze-and-excitation's 1×1 convolutions see one pixel: they are kept as matrices [in, out]. */
function internalShape(name: string, shape: readonly number[]): readonly number[] {
  if (shape.length === 4) {
    const [outputs, inputs, height, width] = shape as [number, number, number, number];
    return /se\.(down|up)\.weight$/.test(name) ? [inputs, outputs] : [height, width, inputs, outputs];
  }
  return shape.toReversed();
}
