import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { fold } from "#repvgg/graph/fold.js";
import { int, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { normal, RandomNet, worstError } from "./support.js";

const [batch, channels, height, width] = [2, 3, 5, 4];
const [high, wide] = [height + 2, width + 2];
type Point = readonly [n: number, c: number, y: number, x: number];

/** A 1×1 convolution and BatchNormalization, whose output is padded by one, and the value that it gives to zeros. */
class BorderNet extends RandomNet {
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

function everywhere(): Point[] {
  const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);
  return range(batch).flatMap((n) =>
    range(channels).flatMap((c) => range(high).flatMap((y) => range(wide).map((x): Point => [n, c, y, x]))),
  );
}

/** The same net with its border made by arithmetic: (inner − v), zeros around it, + v. */
function byArithmetic(seed: number): Graph {
  const net = new BorderNet(seed);
  const value = net.constant("v", f32([channels, 1, 1], net.value));
  net.add("Sub", "less", ["inner", value]);
  net.add("Pad", "around", ["less", net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
  return net.closed(net.add("Add", "border", ["around", value]));
}

const top = ([, , y]: Point): boolean => y === 0;
const bottom = ([, , y]: Point): boolean => y === high - 1;
const left = ([, , , x]: Point): boolean => x === 0;
const right = ([, , , x]: Point): boolean => x === wide - 1;
const inBorder = (point: Point): boolean => [top, bottom, left, right].some((side) => side(point));

function expectOneConvolution(graph: Graph, seed: number): void {
  const input = new Map([["x", normal(new Rng(9), [batch, channels, height, width], 1)]]);
  const expected = evaluate(byArithmetic(seed), input).get("y")!;
  const { graph: folded, report } = fold(graph, { maxCost: 2 });
  expect(folded.nodes.map(({ op }) => op)).toEqual(["Conv"]);
  expect(report.refusals).toEqual([]);
  expect(worstError(evaluate(folded, input).get("y")!.data, expected.data)).toBeLessThanOrEqual(1e-5);
}

describe("constants written over a border of zeros (DBB's padding with what BatchNormalization gives to zeros)", () => {
  it("by four slice assignments, in any order", () => {
    for (const sides of [
      [top, bottom, left, right],
      [right, top, left, bottom],
    ]) {
      const net = new BorderNet(1);
      let value = net.zeros();
      sides.forEach((side, i) => {
        value = net.assign(`side${i}`, value, side);
      });
      expectOneConvolution(net.closed(value), 1);
    }
  });

  it("by whole planes of indices that count from the end", () => {
    const net = new BorderNet(2);
    const rows = everywhere().filter(([, , y, x]) => x === 0 && (y === 0 || y === high - 1));
    // [n, c, y] of whole rows, with negative ones.
    const indices: NamedArray = {
      dtype: "i64",
      shape: [rows.length, 3],
      data: BigInt64Array.from(
        rows.flatMap(([n, c, y]) => [n - batch, c, y === 0 ? 0 : -1]),
        BigInt,
      ),
    };
    const updates = f32(
      [rows.length, wide],
      Float32Array.from(rows.flatMap(([, c]) => new Array(wide).fill(net.value[c]!))),
    );
    net.add("ScatterND", "rows", [net.zeros(), net.constant("at", indices), net.constant("to", updates)]);
    expectOneConvolution(net.closed(net.assign("columns", "rows", (point) => left(point) || right(point))), 2);
  });

  it("by Where, either way round", () => {
    const mask = (inside: number): NamedArray => ({
      dtype: "bool",
      shape: [high, wide],
      data: Uint8Array.from(everywhere().slice(0, high * wide), (point) => (inBorder(point) ? 1 - inside : inside)),
    });
    for (const inside of [0, 1]) {
      const net = new BorderNet(3);
      const value = net.constant("v", f32([channels, 1, 1], net.value));
      const padded = net.zeros();
      const condition = net.constant("mask", mask(inside));
      net.add("Where", "border", inside === 0 ? [condition, value, padded] : [condition, padded, value]);
      expectOneConvolution(net.closed("border"), 3);
    }
  });

  it("by adding a constant that is zero inside", () => {
    const net = new BorderNet(6);
    const plane = (point: Point): number => (inBorder(point) ? net.value[point[1]]! : 0);
    const constant = f32(
      [1, channels, high, wide],
      Float32Array.from(
        everywhere().filter(([n]) => n === 0),
        plane,
      ),
    );
    net.add("Add", "border", [net.constant("v", constant), net.zeros()]);
    expectOneConvolution(net.closed("border"), 6);
  });

  it("by putting the value into the middle of a constant", () => {
    const net = new BorderNet(7);
    const base = f32(
      [batch, channels, high, wide],
      Float32Array.from(everywhere(), ([, c]) => net.value[c]!),
    );
    const inside = everywhere().filter((point) => !inBorder(point));
    const indices: NamedArray = {
      dtype: "i64",
      shape: [batch, channels, height, width, 4],
      data: BigInt64Array.from(inside.flat(), BigInt),
    };
    net.add("ScatterND", "border", [net.constant("base", base), net.constant("at", indices), "inner"]);
    expectOneConvolution(net.closed("border"), 7);
    // One place exchanged with another: no padding.
    const turned = { ...indices, data: indices.data.slice() as BigInt64Array } as NamedArray & { data: BigInt64Array };
    [turned.data[3], turned.data[7]] = [turned.data[7]!, turned.data[3]!];
    net.constant("at", turned);
    expect(fold(net.finish([batch, channels, height, width], "y"), { maxCost: 2 }).graph.nodes).toHaveLength(3);
  });

  it("by Concat of rows, then of columns", () => {
    const net = new BorderNet(4);
    const rows = (name: string, ...sizes: number[]): string =>
      net.constant(
        name,
        f32(
          [batch, channels, ...sizes],
          Float32Array.from(
            { length: batch * channels * sizes[0]! * sizes[1]! },
            (_, i) => net.value[Math.floor(i / (sizes[0]! * sizes[1]!)) % channels]!,
          ),
        ),
      );
    net.add("Concat", "tall", [rows("above", 1, width), "inner", rows("below", 1, width)], { axis: int(2) });
    net.add("Concat", "border", [rows("before", high, 1), "tall", rows("after", high, 1)], { axis: int(-1) });
    expectOneConvolution(net.closed("border"), 4);
  });
});

describe("borders that stay", () => {
  const reasonOf = (build: (net: BorderNet) => string): string | undefined => {
    const net = new BorderNet(5);
    const value = build(net);
    const { graph, report } = fold(net.closed(value), { maxCost: 2 });
    expect(graph.nodes.length).toBeGreaterThan(1);
    return report.refusals.find(({ node }) => node === value)?.reason;
  };

  it("one side is not written: the border has two values", () => {
    expect(reasonOf((net) => net.assign("a", net.zeros(), (point) => inBorder(point) && !top(point)))).toBe(
      "the border has more than one value a channel",
    );
  });

  it("one number is another one", () => {
    expect(
      reasonOf((net) =>
        net.assign(
          "b",
          net.assign("a", net.zeros(), inBorder),
          (point) => left(point) && top(point),
          () => 7,
        ),
      ),
    ).toBe("the border has more than one value a channel");
  });

  it("a position inside is written too", () => {
    expect(reasonOf((net) => net.assign("a", net.zeros(), (point) => inBorder(point) || point[2] === 3))).toBe(
      "it writes constants over positions that are not padding",
    );
  });

  it("the value is not what the convolution gives to zeros", () => {
    expect(reasonOf((net) => net.assign("a", net.zeros(), inBorder, (c) => c + 0.5))).toMatch(/is not the bias/);
  });

  it("numbers are added to the border, padding is a reflection, indices lie outside", () => {
    const added = (net: BorderNet): string => {
      net.assign("a", net.zeros(), inBorder);
      net.nodes[net.nodes.length - 1] = { ...net.nodes.at(-1)!, attributes: { reduction: string("add") } };
      return "a";
    };
    expect(reasonOf(added)).toBeUndefined();
    const reflected = (net: BorderNet): string => {
      net.zeros();
      net.nodes[net.nodes.length - 1] = { ...net.nodes.at(-1)!, attributes: { mode: string("reflect") } };
      return net.assign("a", "padded", inBorder);
    };
    expect(reasonOf(reflected)).toBeUndefined();
    const outside = (net: BorderNet): string => {
      net.assign("a", net.zeros(), inBorder);
      (net.initializers.get("a.at")!.data as BigInt64Array)[2] = 99n;
      return "a";
    };
    expect(reasonOf(outside)).toBeUndefined();
  });
});
