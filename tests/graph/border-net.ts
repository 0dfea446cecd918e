import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { int64 } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { RandomNet } from "./support.js";

export const [batch, channels, height, width] = [2, 3, 5, 4];
export const [high, wide] = [height + 2, width + 2];
export type Point = readonly [n: number, c: number, y: number, x: number];

/** A 1×1 convolution and BatchNormalization, whose output is padded by one, and the value that it gives to zeros. */
export class BorderNet extends RandomNet {
  readonly value: Float32Array;

  constructor(seed: number) {
    super(seed);
    this.convBn("inner", "x", channels, channels, 1);
    const at = (name: string): Float32Array => this.initializers.get(`inner.${name}`)!.data as Float32Array;
    const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(at);
    this.value = Float32Array.from(
      { length: channels },
      (_, c) => beta![c]! - (gamma![c]! * mean![c]!) / Math.sqrt(variance![c]! + 1e-5),
    );
  }

  zeros(): string {
    return this.add("Pad", "padded", ["inner", this.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
  }

  /** A slice assignment as exporters write it: one index and one number for each element. */
  assign(
    name: string,
    input: string,
    where: (point: Point) => boolean,
    value = (c: number): number => this.value[c]!,
  ): string {
    const points = everywhere().filter(where);
    const indices: NamedArray = {
      dtype: "i64",
      shape: [points.length, 4],
      data: BigInt64Array.from(points.flat(), BigInt),
    };
    const updates = f32(
      [points.length],
      Float32Array.from(points, ([, c]) => value(c)),
    );
    return this.add("ScatterND", name, [
      input,
      this.constant(`${name}.at`, indices),
      this.constant(`${name}.to`, updates),
    ]);
  }

  /** The 3×3 convolution behind the border, and the whole graph. */
  closed(border: string): Graph {
    this.randomConv("y", border, channels, channels, 3);
    return this.finish([batch, channels, height, width], "y");
  }
}

export function everywhere(): Point[] {
  const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);
  return range(batch).flatMap((n) =>
    range(channels).flatMap((c) => range(high).flatMap((y) => range(wide).map((x): Point => [n, c, y, x]))),
  );
}

/** The same net with its border made by arithmetic: (inner − v), zeros around it, + v. */
export function byArithmetic(seed: number): Graph {
  const net = new BorderNet(seed);
  const value = net.constant("v", f32([channels, 1, 1], net.value));
  net.add("Sub", "less", ["inner", value]);
  net.add("Pad", "around", ["less", net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
  return net.closed(net.add("Add", "border", ["around", value]));
}

export const top = ([, , y]: Point): boolean => y === 0;
export const bottom = ([, , y]: Point): boolean => y === high - 1;
export const left = ([, , , x]: Point): boolean => x === 0;
export const right = ([, , , x]: Point): boolean => x === wide - 1;
export const inBorder = (point: Point): boolean => [top, bottom, left, right].some((side) => side(point));
