import type { Backend, Pointer } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { f32, type NamedArray, type NamedArrays, toFloat32 } from "../core/named-arrays.js";

/** A tensor that is averaged. */
export interface Averaged {
  readonly name: string;
  readonly words: number;
  readonly pointer: Pointer;
}

/**
 * Exponential moving average of weights and BatchNorm statistics: average = d·average + (1 − d)·value, with
 * d = min(decay, (1 + t) / (10 + t)) after t updates, so that the start is forgotten early (as TensorFlow's EMA does).
 */
export class WeightAverage {
  readonly #backend: Backend;
  readonly #tensors: readonly (Averaged & { readonly shadow: Pointer })[];
  readonly #decay: number;

  /** Begins as a copy of the present values. */
  constructor(backend: Backend, tensors: readonly Averaged[], decay: number) {
    this.#backend = backend;
    this.#decay = decay;
    this.#tensors = tensors.map((tensor) => {
      const shadow = backend.allocate(tensor.words);
      backend.f32(shadow, tensor.words).set(backend.f32(tensor.pointer, tensor.words));
      return { ...tensor, shadow };
    });
  }

  /** @param updates number of updates before this one. */
  update(updates: number): void {
    const decay = Math.min(this.#decay, (1 + updates) / (10 + updates));
    this.#backend.run(
      this.#tensors.map(({ shadow, pointer, words }) => ({
        kernel: "ema_update" as const,
        args: { shadow, parameter: pointer, n: words, rate: 1 - decay },
      })),
    );
  }

  /** Exchanges the average and the net's values; a second call puts both back exactly. */
  swap(): void {
    for (const { shadow, pointer, words } of this.#tensors) {
      const values = this.#backend.f32(pointer, words);
      const average = this.#backend.f32(shadow, words);
      const copy = values.slice();
      values.set(average);
      average.set(copy);
    }
  }

  state(): NamedArrays {
    const arrays = new Map<string, NamedArray>();
    for (const { name, shadow, words } of this.#tensors) {
      arrays.set(name, f32([words], this.#backend.f32(shadow, words).slice()));
    }
    return arrays;
  }

  /** @throws UserError when the state is of another net or was saved without an average. */
  loadState(arrays: NamedArrays): void {
    for (const { name, shadow, words } of this.#tensors) {
      const array = arrays.get(name);
      if (array?.data.length !== words) {
        throw new UserError({
          expected: `the average of "${name}", ${words} elements`,
          received: array ? `${array.data.length}` : "none",
          remedy: "resume with the options that the run began with",
        });
      }
      this.#backend.f32(shadow, words).set(toFloat32(array));
    }
  }

  dispose(): void {
    for (const { shadow } of this.#tensors) this.#backend.free(shadow);
  }
}
