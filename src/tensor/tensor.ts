import type { Backend, Pointer } from "../backend/backend.js";
import { ShapeError } from "../core/errors.js";
import { elementCount } from "../core/named-arrays.js";

/** Where a gradient is to be written, and whether it adds to what is there (1) or is the first to be written (0). */
export interface GradientTarget {
  readonly pointer: Pointer;
  readonly accumulate: 0 | 1;
}

/**
 * Float32 numbers in kernel memory, row-major, channels last: activations [N,H,W,C] or [N,C], per-channel vectors [C],
 * convolution weights [kernelHeight,kernelWidth,inChannels/groups,outChannels], scalars [].
 *
 * A plain Tensor belongs to the tape that made it: it lives while the forward pass has not released it or a recorded
 * operation still needs it for its gradient. {@link NamedTensor} and {@link Parameter} live until they are disposed of.
 */
export class Tensor {
  readonly backend: Backend;
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Whether backward computes a gradient for this tensor. */
  requiresGradient: boolean;
  #pointer: Pointer;
  #gradient: Pointer = 0;
  #gradientWritten = false;
  #inForward = true;
  #users = 0;

  /** Allocates; contents are undefined. @throws ShapeError for sizes that are not positive integers. */
  constructor(backend: Backend, shape: readonly number[], requiresGradient = false) {
    if (!shape.every((size) => Number.isInteger(size) && size > 0)) {
      throw new ShapeError({ expected: "sizes that are positive integers", received: `[${shape}]` });
    }
    this.backend = backend;
    this.shape = [...shape];
    this.size = elementCount(shape);
    this.requiresGradient = requiresGradient;
    this.#pointer = backend.allocate(this.size);
  }

  /** Address of the first element. @throws Error when the memory was given back already: a bug in the caller. */
  get pointer(): Pointer {
    if (this.#pointer === 0) throw new Error(`the tensor [${this.shape}] was freed already; keep it with tape.keep()`);
    return this.#pointer;
  }

  get isFreed(): boolean {
    return this.#pointer === 0;
  }

  /** Address of the gradient; 0 while none has been computed. */
  get gradient(): Pointer {
    return this.#gradientWritten ? this.#gradient : 0;
  }

  /** A copy of the elements. */
  toArray(): Float32Array {
    return this.backend.f32(this.pointer, this.size).slice();
  }

  /** A copy of the gradient; undefined while none has been computed. */
  gradientToArray(): Float32Array | undefined {
    return this.gradient === 0 ? undefined : this.backend.f32(this.gradient, this.size).slice();
  }

  /** Overwrites the elements. @throws ShapeError when there are more or fewer values than elements. */
  set(values: ArrayLike<number>): this {
    if (values.length !== this.size) {
      throw new ShapeError({ expected: `${this.size} values for [${this.shape}]`, received: `${values.length}` });
    }
    this.backend.f32(this.pointer, this.size).set(values);
    return this;
  }

  /**
   * For operations' backward passes: where to write this tensor's gradient; undefined where none is wanted.
   * Every call counts as one write: the first of a pass overwrites, later ones accumulate.
   */
  gradientTarget(): GradientTarget | undefined {
    if (!this.requiresGradient) return undefined;
    if (this.#gradient === 0) this.#gradient = this.backend.allocate(this.size);
    const accumulate = this.#gradientWritten ? 1 : 0;
    this.#gradientWritten = true;
    return { pointer: this.#gradient, accumulate };
  }

  /** Adds to the gradient, for operations that compute it on the host (per-channel vectors, scalars). */
  addToGradient(values: ArrayLike<number>): void {
    const target = this.gradientTarget();
    if (!target) return;
    const gradient = this.backend.f32(target.pointer, this.size);
    if (target.accumulate) for (let i = 0; i < this.size; i++) gradient[i]! += values[i]!;
    else gradient.set(values);
  }

  /**
   * For operations whose gradient passes through unchanged: takes over `from`'s gradient memory instead of copying it.
   * Returns false, having done nothing, where this tensor has a gradient already.
   */
  takeGradient(from: Tensor): boolean {
    if (this.#gradient !== 0) return false;
    [this.#gradient, this.#gradientWritten] = [from.#gradient, from.#gradientWritten];
    [from.#gradient, from.#gradientWritten] = [0, false];
    return true;
  }

  /** Gives the gradient's memory back. */
  freeGradient(): void {
    if (this.#gradient !== 0) this.backend.free(this.#gradient);
    this.#gradient = 0;
    this.#gradientWritten = false;
  }

  /** Forgets the gradient but keeps its memory: the next write overwrites. */
  clearGradient(): void {
    this.#gradientWritten = false;
  }

  /** One more user that needs the elements. */
  hold(): void {
    this.#users++;
  }

  /** One user less; the memory goes when no user is left and the forward pass has released the tensor. */
  unhold(): void {
    this.#users--;
    this.#freeIfUnused();
  }

  /** The forward pass needs the elements no more. Idempotent. */
  release(): void {
    this.#inForward = false;
    this.#freeIfUnused();
  }

  /** Gives all memory back, whoever uses it. Idempotent. */
  dispose(): void {
    this.freeGradient();
    if (this.#pointer !== 0) this.backend.free(this.#pointer);
    this.#pointer = 0;
  }

  #freeIfUnused(): void {
    if (this.#inForward || this.#users > 0 || this.#pointer === 0) return;
    this.backend.free(this.#pointer);
    this.#pointer = 0;
  }
}

/** A tensor that outlives tapes: an input that is filled again and again, a running statistic ("buffer" in PyTorch). */
export class NamedTensor extends Tensor {
  readonly name: string;

  /** @param values initial elements, zeros where left out. */
  constructor(backend: Backend, name: string, shape: readonly number[], values?: ArrayLike<number>) {
    super(backend, shape);
    this.name = name;
    if (values) this.set(values);
    else backend.f32(this.pointer, this.size).fill(0);
  }

  override hold(): void {}
  override unhold(): void {}
  override release(): void {}
}

/**
 * What training changes. Its gradient stays, and adds up over backward passes, until {@link clearGradient}; afterwards
 * the first write overwrites, so that nothing is ever filled with zeros. `requiresGradient = false` freezes it.
 */
export class Parameter extends NamedTensor {
  constructor(backend: Backend, name: string, shape: readonly number[], values?: ArrayLike<number>) {
    super(backend, name, shape, values);
    this.requiresGradient = true;
  }

  /** A parameter's gradient is never handed over: it owns its memory. */
  override takeGradient(): boolean {
    return false;
  }
}
