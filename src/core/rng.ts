/** State of an {@link Rng}: four unsigned 32-bit words, plain JSON. */
export type RngState = readonly [number, number, number, number];

/**
 * Seeded pseudo-random numbers: xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32.
 * The same seed gives the same sequence on every machine. Not for cryptography.
 */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any integer, or a state from {@link Rng.state}. */
  constructor(seed: number | RngState) {
    if (typeof seed === "number") {
      let x = seed >>> 0;
      const next = (): number => {
        x = (x + 0x9e3779b9) >>> 0;
        let z = x;
        z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
        z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
        return (z ^ (z >>> 15)) >>> 0;
      };
      [this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next()];
    } else {
      [this.#a, this.#b, this.#c, this.#d] = seed;
    }
  }

  /** The state, from which `new Rng(state)` goes on exactly where this one stands. */
  get state(): RngState {
    return [this.#a, this.#b, this.#c, this.#d];
  }

  /** A uniform integer in [0, 2³²). */
  nextUint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    this.#a >>>= 0;
    this.#b >>>= 0;
    this.#c >>>= 0;
    this.#d >>>= 0;
    return result;
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  next(): number {
    return (this.nextUint32() * 0x200000 + (this.nextUint32() >>> 11)) / 2 ** 53;
  }

  /** A uniform number in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A uniform integer in [0, n), unbiased (rejection). */
  int(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const value = this.nextUint32();
      if (value < limit) return value % n;
    }
  }

  /** A standard normal number (Box and Muller, the cosine half only, so that the state alone decides what follows). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Gamma(shape, 1) by Marsaglia and Tsang (2000); used for the Beta distribution of mixup. */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.next()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** Beta(a, b). */
  beta(a: number, b: number): number {
    const x = this.gamma(a);
    return x / (x + this.gamma(b));
  }

  /** Fisher–Yates, in place. */
  shuffle<T extends { [index: number]: unknown; length: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const t = items[i];
      (items as { [index: number]: unknown })[i] = items[j];
      (items as { [index: number]: unknown })[j] = t;
    }
    return items;
  }
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

/**
 * A generator for one purpose, derived from a seed and any labels (epoch, image index, "init", …).
 * Its sequence depends on nothing else, so that results do not depend on who asks first or how many workers ask.
 */
export function rngFor(seed: number, ...labels: readonly (number | string)[]): Rng {
  let hash = seed >>> 0;
  for (const label of labels) {
    const text = typeof label === "number" ? `#${label}` : label;
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193); // FNV-1a
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ 0x2f, 0x01000193);
  }
  return new Rng(hash >>> 0);
}
