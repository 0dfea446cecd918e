import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { int, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import {
  BorderNet,
  batch,
  bottom,
  byArithmetic,
  channels,
  everywhere,
  height,
  high,
  inBorder,
  left,
  type Point,
  right,
  top,
  wide,
  width,
} from "./border-net.js";
import { normal, worstError } from "./support.js";

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

  it.each([0, 1])("by adding a constant that is zero inside (operand %i)", (operand) => {
    const net = new BorderNet(6);
    const plane = (point: Point): number => (inBorder(point) ? net.value[point[1]]! : 0);
    const constant = f32(
      [1, channels, high, wide],
      Float32Array.from(
        everywhere().filter(([n]) => n === 0),
        plane,
      ),
    );
    const operands = [net.constant("v", constant), net.zeros()];
    net.add("Add", "border", operand === 0 ? operands : operands.toReversed());
    expectOneConvolution(net.closed("border"), 6);
  });

  it("by arithmetic: a number a channel is taken away before the zeros and added behind", () => {
    expectOneConvolution(byArithmetic(10), 10);
  });

  it("by adding a constant that varies over rows, or over columns, only", () => {
    for (const rows of [true, false]) {
      const net = new BorderNet(11);
      const pads = rows ? [0, 0, 1, 0, 0, 0, 1, 0] : [0, 0, 0, 1, 0, 0, 0, 1];
      const size = rows ? high : wide;
      const at = (i: number): number =>
        i % size === 0 || i % size === size - 1 ? net.value[Math.floor(i / size)]! : 0;
      const shape = rows ? [channels, high, 1] : [channels, 1, wide];
      const constant = f32(
        shape,
        Float32Array.from({ length: channels * size }, (_, i) => at(i)),
      );
      net.add("Pad", "padded", ["inner", net.constant("pads", int64(pads))]);
      net.add("Add", "y", ["padded", net.constant("v", constant)]);
      const graph = net.finish([batch, channels, height, width], "y");
      const input = new Map([["x", normal(new Rng(9), [batch, channels, height, width], 1)]]);
      const { graph: folded } = fold(graph, { maxCost: 2 });
      expect(folded.nodes.map(({ op }) => op)).toEqual(["Conv"]);
      const [actual, expected] = [folded, graph].map((each) => evaluate(each, input).get("y")!);
      expect(worstError(actual!.data, expected!.data)).toBeLessThanOrEqual(1e-5);
    }
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

  it("nothing is left of the constant that the value was put into", () => {
    const net = new BorderNet(8);
    const points = everywhere().filter(([, , y, x]) => y < height && x < width);
    const at = { dtype: "i64", data: BigInt64Array.from(points.flat(), BigInt) } as const;
    const places: NamedArray = { ...at, shape: [batch, channels, height, width, 4] };
    const base = f32([batch, channels, height, width], new Float32Array(points.length));
    net.add("ScatterND", "y", [net.constant("base", base), net.constant("at", places), "inner"]);
    const { report } = fold(net.finish([batch, channels, height, width], "y"));
    expect(report.refusals).toContainEqual(
      expect.objectContaining({ node: "y", op: "ScatterND", kind: "border", reason: "nothing is padded" }),
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
