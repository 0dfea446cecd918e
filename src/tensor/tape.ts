import type { Backend, KernelCall, Pointer } from "../backend/backend.js";
import { ShapeError } from "../core/errors.js";
import { ConvPlanCache } from "./conv-plans.js";
import { Tensor } from "./tensor.js";

/** What an operation tells the tape. */
export interface Operation {
  readonly output: Tensor;
  /** Whatever a gradient may flow to. */
  readonly inputs: readonly Tensor[];
  /** Tensors whose elements `backward` reads (of the inputs, the output, or temporaries): kept until it has run. */
  readonly saved: readonly Tensor[];
  /** Reads `output.gradient`, which exists, and writes to the inputs' `gradientTarget()`s. */
  backward(): void;
}

/**
 * Reverse-mode differentiation over coarse operations. Every operation (see ops/) computes at once and records how
 * gradients flow back; {@link backward} plays the record in reverse.
 *
 * Memory. An activation lives until the forward pass has released it (`scope`, `release`, or the start of `backward`)
 * and the last recorded operation that needs it has run backward. Gradients of activations live from the first write
 * to the backward pass of the operation that made the activation. `reset` frees whatever is left, so call it in a
 * `finally`: then no step can leak, whatever is thrown. Scratch memory and convolution plans stay until `dispose`.
 *
 * Results do not depend on the number of threads. Not for concurrent use.
 */
export class Tape {
  readonly backend: Backend;
  /** Convolution plans by geometry; they stay over {@link reset}. */
  readonly convolutions: ConvPlanCache;
  #operations: Operation[] = [];
  #tensors: Tensor[] = [];
  #recording = true;
  #scratch: Pointer = 0;
  #scratchWords = 0;

  constructor(backend: Backend) {
    this.backend = backend;
    this.convolutions = new ConvPlanCache(backend);
  }

  /** False inside {@link noGradient}. */
  get recording(): boolean {
    return this.#recording;
  }

  /** A new tensor of this tape with undefined contents. */
  empty(shape: readonly number[]): Tensor {
    const tensor = new Tensor(this.backend, shape);
    this.#tensors.push(tensor);
    return tensor;
  }

  /** A new tensor of this tape, without gradient: an input, a mask, targets. */
  constant(shape: readonly number[], values: ArrayLike<number>): Tensor {
    return this.empty(shape).set(values);
  }

  /**
   * Addresses of scratch blocks of the given sizes in words, valid until the next call of this method. All operations
   * share the memory: it grows to the largest request and stays.
   */
  scratch(...sizes: readonly number[]): Pointer[] {
    const aligned = sizes.map((size) => Math.ceil(size / 16) * 16);
    const total = aligned.reduce((sum, size) => sum + size, 0);
    if (total > this.#scratchWords) {
      this.#freeScratch();
      this.#scratch = this.backend.allocate(total);
      this.#scratchWords = total;
    }
    let next = this.#scratch;
    return aligned.map((size) => {
      const pointer = next;
      next += size;
      return pointer;
    });
  }

  run(calls: readonly KernelCall[]): void {
    this.backend.run(calls);
  }

  /** Whether an operation must record itself for any of these inputs. */
  wantsGradient(...inputs: readonly (Tensor | undefined)[]): boolean {
    return this.#recording && inputs.some((input) => input?.requiresGradient === true);
  }

  /** Records an operation where a gradient is wanted, and returns its output. */
  record(operation: Operation): Tensor {
    const { output, inputs, saved } = operation;
    if (!this.wantsGradient(...inputs)) return output;
    output.requiresGradient = true;
    for (const tensor of saved) tensor.hold();
    this.#operations.push(operation);
    return output;
  }

  /**
   * Gradients of `output` with respect to all parameters that it was computed from; they add to gradients that are
   * there already (see Parameter.clearGradient). Afterwards the record is empty and all activations are freed but
   * `output` and those given to {@link keep}.
   * @param gradient ∂loss/∂output, of output's size; may be left out for a scalar, where it is 1
   * @throws ShapeError when `gradient` does not fit
   */
  backward(output: Tensor, gradient: ArrayLike<number> = [1]): void {
    if (gradient.length !== output.size) {
      throw new ShapeError({
        expected: `a gradient of ${output.size} elements for [${output.shape}]`,
        received: `${gradient.length}`,
        remedy: "give backward a scalar loss, or the gradient of its argument",
      });
    }
    this.keep(output);
    const target = output.gradientTarget();
    if (target) this.backend.f32(target.pointer, output.size).set(gradient);
    for (const tensor of this.#tensors) tensor.release();
    for (let operation = this.#operations.pop(); operation; operation = this.#operations.pop()) {
      if (operation.output.gradient !== 0) operation.backward();
      operation.output.freeGradient();
      for (const tensor of operation.saved) tensor.unhold();
    }
  }

  /**
   * For operations whose gradient passes through unchanged, as a sum's: gives `from`'s gradient to all `to`. The last
   * takes over the memory where it can, the others copy or accumulate.
   */
  passGradient(from: Tensor, ...to: readonly Tensor[]): void {
    const receivers = to.filter((tensor) => tensor.requiresGradient);
    receivers.forEach((tensor, index) => {
      if (index === receivers.length - 1 && tensor.takeGradient(from)) return;
      const { pointer, accumulate } = tensor.gradientTarget()!;
      const [x, y, n] = [from.gradient, pointer, from.size];
      this.run([accumulate ? { kernel: "axpy", args: { x, y, n, alpha: 1 } } : { kernel: "copy", args: { x, y, n } }]);
    });
  }

  /** Runs `body` without recording: nothing is kept for gradients, and released tensors are freed at once. */
  noGradient<T>(body: () => T): T {
    const before = this.#recording;
    this.#recording = false;
    try {
      return body();
    } finally {
      this.#recording = before;
    }
  }

  /** Runs `body` and then releases every tensor that it made, but those that it returns. */
  scope<T extends Tensor | readonly Tensor[]>(body: () => T): T {
    const first = this.#tensors.length;
    const result = body();
    const returned = new Set<Tensor>(result instanceof Tensor ? [result] : result);
    for (const tensor of this.#tensors.slice(first)) if (!returned.has(tensor)) tensor.release();
    return result;
  }

  /** The forward pass reads these no more. Parameters and other named tensors stay. */
  release(...tensors: readonly Tensor[]): void {
    for (const tensor of tensors) tensor.release();
  }

  /** Keeps a tensor's elements readable until {@link reset}, through `backward`, `release` and the end of a `scope`. */
  keep(tensor: Tensor): Tensor {
    tensor.hold();
    return tensor;
  }

  /** Frees all tensors of this tape and forgets the record. Parameters and their gradients stay. */
  reset(): void {
    for (const tensor of this.#tensors) tensor.dispose();
    this.#tensors = [];
    this.#operations = [];
  }

  /** `reset`, and gives the scratch memory back. The tape may be used again. */
  dispose(): void {
    this.reset();
    this.#freeScratch();
  }

  #freeScratch(): void {
    if (this.#scratch !== 0) this.backend.free(this.#scratch);
    this.#scratch = 0;
    this.#scratchWords = 0;
  }
}
