import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fold } from "#repvgg/graph/fold.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { type FoldedPair, foldAndCompare, normal, RandomNet } from "./support.js";

/** Layers on values whose channels lie on the last axis. */
class LinearNet extends RandomNet {
  linear(name: string, input: string, from: number, to: number, bias = true): string {
    const product = this.add("MatMul", `${name}.product`, [
      input,
      this.constant(`${name}.w`, normal(this.rng, [from, to])),
    ]);
    return bias ? this.add("Add", name, [this.constant(`${name}.b`, normal(this.rng, [to])), product]) : product;
  }

  vector(op: string, name: string, input: string, shape: readonly number[]): string {
    return this.add(op, name, [input, this.constant(`${name}.c`, normal(this.rng, shape))]);
  }

  transpose(name: string, input: string, ...perm: number[]): string {
    return this.add("Transpose", name, [input], { perm: ints(perm) });
  }
}

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

describe("linear layers over channels last", () => {
  it("UniRepLKNet: BatchNorm and scale behind the layer's Transpose go into it", () => {
    const net = new LinearNet(1);
    const back = net.transpose("back", net.linear("pw2", net.add("Relu", "act", ["x"]), 6, 4), 0, 3, 1, 2);
    net.vector("Mul", "y", net.randomBatchNorm("norm", back, 4), [4, 1, 1]);
    const pair = foldAndCompare(net.finish(["n", "h", "w", 6], "y"), [2, 3, 5, 6]);
    expectExact(pair, { Relu: 1, MatMul: 1, Add: 1, Transpose: 1 });
    expect(pair.graph.nodes.at(-1)).toMatchObject({ op: "Transpose", outputs: ["y"] });
    expect(pair.report.regions).toMatchObject([{ op: "MatMul", form: "6 → 4", source: "act", output: "y" }]);
  });

  it("between two Transposes it is a 1×1 convolution", () => {
    const net = new LinearNet(2);
    const there = net.transpose("there", net.convBn("dw", "x", 4, 4, 3, { padding: 1, groups: 4 }), 0, 2, 3, 1);
    const act = net.add("Relu", "act", [net.linear("pw1", there, 4, 8)]);
    net.transpose("y", net.linear("pw2", act, 8, 4), 0, 3, 1, 2);
    expectExact(foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 3]), {
      ...{ Conv: 1, Transpose: 2, MatMul: 2, Add: 2, Relu: 1 },
    });
    const pure = new LinearNet(3);
    const value = pure.linear("b", pure.linear("a", pure.transpose("t", "x", 0, 2, 3, 1), 4, 5), 5, 3, false);
    pure.randomBatchNorm("y", pure.transpose("back", value, 0, 3, 1, 2), 3);
    const pair = foldAndCompare(pure.finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 3]);
    expectExact(pair, { Conv: 1 });
    expect(pair.graph.initializers.get("y.weight")!.shape).toEqual([3, 4, 1, 1]);
  });

  it("ConvNeXt: LayerNorm's scale and shift before the layer, γ behind it", () => {
    const net = new LinearNet(4);
    const normed = net.add("Softmax", "normed", ["x"], { axis: int(-1) });
    const scaled = net.vector("Add", "shift", net.vector("Mul", "scale", normed, [6]), [6]);
    const act = net.add("Relu", "act", [net.linear("pw1", scaled, 6, 8)]);
    net.add("Add", "y", [net.vector("Mul", "gamma", net.linear("pw2", act, 8, 6), [6]), "x"]);
    for (const shape of [
      ["n", "l", 6],
      ["n", "h", "w", 6],
      [2, 3, 4, 6],
    ]) {
      const pair = foldAndCompare(net.finish(shape, "y"), shape.length === 3 ? [2, 5, 6] : [2, 3, 4, 6]);
      expectExact(pair, { Softmax: 1, MatMul: 2, Add: 3, Relu: 1 });
    }
  });

  it("a sum of two layers of one value is one layer, with the value itself too", () => {
    const net = new LinearNet(5);
    net.add("Sub", "difference", [net.linear("a", "x", 6, 6), net.linear("b", "x", 6, 6)]);
    net.add("Add", "y", ["difference", "x"]);
    expectExact(foldAndCompare(net.finish(["n", "l", 6], "y"), [2, 5, 6]), { MatMul: 1, Add: 1 });
  });

  it("constants that do not lie along the channels, and other axes than the last, stay", () => {
    const build = (constant: readonly number[]): Graph => {
      const net = new LinearNet(6);
      net.linear("y", net.vector("Mul", "m", "x", constant), 6, 4, false);
      return net.finish(["n", 5, 6], "y.product");
    };
    expectExact(foldAndCompare(build([6]), [2, 5, 6]), { MatMul: 1 });
    expectExact(foldAndCompare(build([1, 1, 6]), [2, 5, 6]), { MatMul: 1 });
    expectExact(foldAndCompare(build([]), [2, 5, 6]), { MatMul: 1 });
    expectExact(foldAndCompare(build([5, 1]), [2, 5, 6]), { Mul: 1, MatMul: 1 });
    expectExact(foldAndCompare(build([5, 6]), [2, 5, 6]), { Mul: 1, MatMul: 1 });
    const norm = new LinearNet(7); // BatchNormalization normalizes the second axis, whatever lies on the last
    norm.linear("y", norm.randomBatchNorm("bn", "x", 5), 6, 4, false);
    expectExact(foldAndCompare(norm.finish(["n", 5, 6], "y.product"), [2, 5, 6]), { BatchNormalization: 1, MatMul: 1 });
  });

  it("a scale per position where width and channels are equal is none per channel", () => {
    const net = new LinearNet(8);
    net.vector("Mul", "m", net.randomConv("c", "x", 5, 5, 1), [5]);
    net.randomBatchNorm("y", "m", 5);
    expectExact(foldAndCompare(net.finish(["n", 5, "h", 5], "y"), [2, 5, 3, 5]), {
      Conv: 1,
      Mul: 1,
      BatchNormalization: 1,
    });
    expectExact(foldAndCompare(net.finish(["n", 5, "h", "w"], "y"), [2, 5, 3, 5]), {
      Conv: 1,
      Mul: 1,
      BatchNormalization: 1,
    });
  });
});

describe("fully connected layers", () => {
  const gemm = (bias: readonly number[], alpha = 1, beta = 1, rows = 4): [Graph, number[]] => {
    const net = new RandomNet(9);
    const inputs = ["x", net.constant("w", normal(net.rng, [6, 4])), net.constant("b", normal(net.rng, bias))];
    net.randomBatchNorm("y", net.add("Gemm", "g", inputs, { alpha: float(alpha), beta: float(beta) }), 4);
    return [net.finish([rows, 6], "y"), [rows, 6]];
  };

  it.each([[[4]], [[1, 4]], [[1]], [[]]])("with a bias of shape %j, α and β", (bias) => {
    for (const [alpha, beta] of [
      [1, 1],
      [0.5, 3],
      [-2, 0],
    ] as const) {
      expectExact(foldAndCompare(...gemm(bias, alpha, beta)), { Gemm: 1 });
    }
  });

  it.each([[[4, 1]], [[4, 4]]])("a bias of shape %j, one for each row, stays", (bias) => {
    const pair = foldAndCompare(...gemm(bias));
    expectExact(pair, { Gemm: 1, BatchNormalization: 1 });
    expect(pair.report.refusals).toMatchObject([
      { node: "g", reason: `its bias of shape [${bias.join(", ")}] is not one a column` },
    ]);
  });
});

const layer = fc.record({
  kind: fc.constantFrom("linear", "scale", "shift", "scalar", "there", "back", "norm", "itself"),
  width: fc.constantFrom(3, 4, 5),
  bias: fc.boolean(),
});
const cases = Number(process.env.FOLD_CASES ?? 500);

describe("random chains of layers, scales and Transposes", () => {
  it(`fold to equal outputs (${cases} cases)`, { timeout: cases * 1000 }, () => {
    let folded = 0;
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(3, 4),
        fc.array(layer, { minLength: 2, maxLength: 7 }),
        (seed, rank, layers) => {
          const net = new LinearNet(seed);
          const last = rank === 3 ? [0, 2, 1] : [0, 2, 3, 1];
          const first = rank === 3 ? [0, 2, 1] : [0, 3, 1, 2];
          // Sizes of the value as it lies; all axes may be taken for channels.
          let shape = [2, 3, 4, 5].slice(0, rank);
          let value = "x";
          const constant = (at: number): number[] => shape.map((size, axis) => (axis === at ? size : 1)).slice(1);
          layers.forEach(({ kind, width, bias }, i) => {
            const name = `${kind}${i}`;
            if (kind === "linear") {
              value = net.linear(name, value, shape.at(-1)!, width, bias);
              shape = shape.with(-1, width);
            } else if (kind === "scale") value = net.vector("Mul", name, value, constant(bias ? 1 : rank - 1));
            else if (kind === "shift") value = net.vector("Sub", name, value, constant(bias ? 1 : rank - 1));
            else if (kind === "scalar") value = net.vector("Div", name, value, [1]);
            else if (kind === "there" || kind === "back") {
              const perm = kind === "there" ? last : first;
              value = net.transpose(name, value, ...perm);
              shape = perm.map((axis) => shape[axis]!);
            } else if (kind === "norm") value = net.randomBatchNorm(name, value, shape[1]!);
            else value = net.add("Add", name, [value, value]);
          });
          const given = [2, 3, 4, 5].slice(0, rank);
          const pair = foldAndCompare(net.finish(given, value), given, { maxCost: seed % 2 ? 1 : 100 });
          expect(pair.exactError).toBeLessThanOrEqual(1e-9);
          expect(pair.roundedError).toBeLessThanOrEqual(Math.max(1e-5, 1e-8 * pair.cancellation));
          expect(pair.graph.nodes.length).toBeLessThanOrEqual(
            layers.length + layers.filter(({ bias, kind }) => bias && kind === "linear").length,
          );
          if (pair.report.regions.length > 0) folded++;
        },
      ),
      { numRuns: cases, seed: 6 },
    );
    expect(folded).toBeGreaterThan(cases / 3);
  });
});

it("a Transpose of a value of unknown rank is left alone", () => {
  const net = new LinearNet(10);
  net.nodes.push({ name: "c", op: "Custom", domain: "elsewhere", inputs: ["x"], outputs: ["c"], attributes: {} });
  net.transpose("t", "c", 0, 2, 1);
  net.vector("Mul", "y", net.linear("l", "t", 4, 4, false), [4]);
  const graph = { ...net.finish([1, 4, 4], "y"), inputs: [valueInfo("x", [1, 4, 4])] };
  expect(fold(graph).graph.nodes.map(({ op }) => op)).toEqual(["Custom", "Transpose", "MatMul", "Mul"]);
});
