import type { Backend, KernelCall, Pointer } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { f32, type NamedArray, type NamedArrays, toFloat32 } from "../core/named-arrays.js";

/** What an optimizer changes: a parameter's values and gradient in kernel memory (both in the same layout). */
export interface Optimized {
  readonly name: string;
  readonly words: number;
  readonly pointer: Pointer;
  /** Address of the gradient at present; 0 where none was computed, and then the parameter stays. */
  readonly gradient: () => Pointer;
  /** Weight decay applies. */
  readonly decay: boolean;
  /** The part of the learning rate that it moves by. Default 1. */
  readonly rate?: number;
}

export interface OptimizerOptions {
  readonly kind: "sgd" | "adamw";
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
}

/** β₂ and ε of AdamW (Loshchilov and Hutter 2019; PyTorch's defaults). */
const beta2 = 0.999;
const epsilon = 1e-8;

/**
 * SGD with (Nesterov) momentum, or AdamW, over parameters in kernel memory, as PyTorch defines them. Its state is one
 * (SGD: velocity) or two (AdamW: mean, square) arrays a parameter, zero at the start.
 */
export class Optimizer {
  readonly #backend: Backend;
  readonly #parameters: readonly Optimized[];
  readonly #options: OptimizerOptions;
  readonly #slots: readonly string[];
  /** `slot.parameter` → address. */
  readonly #state = new Map<string, { readonly pointer: Pointer; readonly words: number }>();

  constructor(backend: Backend, parameters: readonly Optimized[], options: OptimizerOptions) {
    this.#backend = backend;
    this.#parameters = parameters;
    this.#options = options;
    this.#slots = options.kind === "sgd" ? ["velocity"] : ["mean", "square"];
    for (const { name, words } of parameters) {
      for (const slot of this.#slots) {
        const pointer = backend.allocate(words);
        backend.f32(pointer, words).fill(0);
        this.#state.set(`${slot}.${name}`, { pointer, words });
      }
    }
  }

  /**
   * One update of all parameters.
   * @param step optimizer steps done before this one (AdamW's bias correction).
   * @param gradientScale every gradient is multiplied by it first.
   */
  step(learningRate: number, step: number, gradientScale = 1): void {
    const { kind, momentum, nesterov, weightDecay } = this.#options;
    const moving = this.#parameters.filter((p) => p.gradient() !== 0);
    const calls = moving.map((p): KernelCall => {
      const shared = {
        parameter: p.pointer,
        gradient: p.gradient(),
        n: p.words,
        lr: learningRate * (p.rate ?? 1),
        weight_decay: p.decay ? weightDecay : 0,
        gradient_scale: gradientScale,
      };
      if (kind === "sgd") {
        const velocity = this.#address("velocity", p.name);
        return { kernel: "sgd_step", args: { ...shared, velocity, momentum, nesterov: nesterov ? 1 : 0 } };
      }
      return {
        kernel: "adamw_step",
        args: {
          ...shared,
          mean: this.#address("mean", p.name),
          square: this.#address("square", p.name),
          rate1: 1 - momentum,
          rate2: 1 - beta2,
          epsilon,
          correction1: 1 - momentum ** (step + 1),
          correction2: 1 - beta2 ** (step + 1),
        },
      };
    });
    this.#backend.run(calls);
  }

  /** A copy of the state, by `slot.parameter`. */
  state(): NamedArrays {
    const arrays = new Map<string, NamedArray>();
    for (const [name, { pointer, words }] of this.#state) {
      arrays.set(name, f32([words], this.#backend.f32(pointer, words).slice()));
    }
    return arrays;
  }

  /** @throws UserError when the state is of other parameters or of another optimizer. */
  loadState(arrays: NamedArrays): void {
    for (const [name, { pointer, words }] of this.#state) {
      const array = arrays.get(name);
      if (!array || array.data.length !== words) {
        throw new UserError({
          expected: `optimizer state "${name}" of ${words} elements`,
          received: array ? `${array.data.length} elements` : "none",
          remedy: "resume with the options that the run began with",
        });
      }
      this.#backend.f32(pointer, words).set(toFloat32(array));
    }
  }

  dispose(): void {
    for (const { pointer } of this.#state.values()) this.#backend.free(pointer);
    this.#state.clear();
  }

  #address(slot: string, name: string): Pointer {
    return this.#state.get(`${slot}.${name}`)!.pointer;
  }
}
