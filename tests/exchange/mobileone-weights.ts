import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { random } from "./support.js";

/** Random weights by Apple's names: stem, then depthwise and pointwise blocks by stage, with k branches each. */
export class MobileOneWeights extends Map<string, NamedArray> {
  #seed = 0;

  batchNorm(path: string, channels: number): void {
    for (const name of ["weight", "bias", "running_mean"]) this.set(`${path}.${name}`, this.#random([channels]));
    this.set(`${path}.running_var`, this.#random([channels], true));
    this.set(`${path}.num_batches_tracked`, { dtype: "i64", shape: [], data: BigInt64Array.of(7n) });
  }

  convolution(path: string, shape: readonly number[]): void {
    this.set(`${path}.conv.weight`, this.#random(shape));
    this.batchNorm(`${path}.bn`, shape[0]!);
  }

  block(
    path: string,
    shape: readonly [number, number, number, number],
    options: { k: number; skip?: boolean; se?: boolean },
  ): void {
    const [outChannels, perGroup, kernel] = shape;
    if (options.se) {
      const squeezed = Math.max(1, Math.floor(outChannels / 16));
      this.set(`${path}.se.reduce.weight`, this.#random([squeezed, outChannels, 1, 1]));
      this.set(`${path}.se.reduce.bias`, this.#random([squeezed]));
      this.set(`${path}.se.expand.weight`, this.#random([outChannels, squeezed, 1, 1]));
      this.set(`${path}.se.expand.bias`, this.#random([outChannels]));
    }
    if (options.skip) this.batchNorm(`${path}.rbr_skip`, outChannels);
    for (let i = 0; i < options.k; i++) this.convolution(`${path}.rbr_conv.${i}`, shape);
    if (kernel > 1) this.convolution(`${path}.rbr_scale`, [outChannels, perGroup, 1, 1]);
  }

  linear(classes: number, channels: number): void {
    this.set("linear.weight", this.#random([classes, channels]));
    this.set("linear.bias", this.#random([classes]));
  }

  #random(shape: readonly number[], positive = false): NamedArray {
    return random(this.#seed++, shape, positive);
  }
}

/** A small net of the same build as S4: several branches, both kinds of block, SE in the last stage. */
export function smallMobileOne(): MobileOneWeights {
  const weights = new MobileOneWeights();
  weights.block("stage0", [8, 3, 3, 3], { k: 1 });
  weights.block("stage1.0", [8, 1, 3, 3], { k: 2 });
  weights.block("stage1.1", [16, 8, 1, 1], { k: 2 });
  weights.block("stage1.2", [16, 1, 3, 3], { k: 2, skip: true });
  weights.block("stage1.3", [16, 16, 1, 1], { k: 2, skip: true });
  weights.block("stage2.0", [16, 1, 3, 3], { k: 1, se: true });
  weights.block("stage2.1", [32, 16, 1, 1], { k: 1, se: true });
  weights.linear(5, 32);
  return weights;
}
