import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { fold } from "#repvgg/graph/fold.js";
import { int } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { whyNotUnchanged } from "#repvgg/verify/proof/unchanged.js";
import { normal, RandomNet } from "../graph/support.js";

/** BatchNormalization and a scale behind a Concat of convolutions. */
function joined(): Graph {
  const net = new RandomNet(1);
  net.add("Relu", "r", ["x"]);
  net.add("Concat", "both", [net.randomConv("a", "r", 3, 4, 1), net.randomConv("b", "x", 3, 2, 1)], { axis: int(1) });
  net.randomBatchNorm("norm", "both", 6);
  net.add("Mul", "y", ["norm", net.constant("k", normal(net.rng, [6, 1, 1]))]);
  return net.finish([2, 3, 4, 4], "y");
}

/** A scale before a Flatten that a fully connected layer reads. */
function flattened(): Graph {
  const net = new RandomNet(2);
  net.add("Relu", "r", ["x"]);
  net.randomBatchNorm("norm", "r", 3);
  net.add("Flatten", "flat", ["norm"], { axis: int(1) });
  net.add("Gemm", "y", ["flat", net.constant("w", normal(net.rng, [48, 5]))]);
  return net.finish([2, 3, 4, 4], "y");
}

/** A BatchNormalization behind a Concat with a constant. */
function joinedWithConstant(): Graph {
  const net = new RandomNet(3);
  const field = net.constant("field", normal(net.rng, [2, 2, 4, 4]));
  net.add("Concat", "both", [field, net.randomConv("a", "x", 3, 4, 1)], { axis: int(1) });
  net.randomBatchNorm("y", "both", 6);
  return net.finish([2, 3, 4, 4], "y");
}

describe.each([
  ["before a Concat", joined],
  ["before a Concat with a constant", joinedWithConstant],
  ["behind a Flatten", flattened],
])("scales that were moved %s", (_, build) => {
  const graph = build();
  const { simplified } = fold(graph).plan;
  const moved = [...simplified.initializers.keys()].filter((name) => !graph.initializers.has(name));

  it("are shown to compute the same", () => {
    expect(moved.length).toBeGreaterThan(3);
    expect(whyNotUnchanged(graph, simplified)).toBeUndefined();
  });

  it.each([0, 1, 2, 3])(
    "are not, with another number in constant %i, with constants exchanged, or another operator",
    (i) => {
      const name = moved[i]!;
      const array = simplified.initializers.get(name)! as NamedArray & { data: Float32Array };
      const wrong = { ...array, data: array.data.with(array.data.length - 1, 7) } as NamedArray;
      const changed = (made: Graph): string | undefined => whyNotUnchanged(graph, made);
      expect(changed({ ...simplified, initializers: new Map(simplified.initializers).set(name, wrong) })).toBeDefined();
      const reader = simplified.nodes.findIndex(({ inputs }) => inputs.includes(name));
      const node = simplified.nodes[reader]!;
      const turned = { ...node, inputs: [node.inputs[0]!, ...node.inputs.slice(1).reverse()] };
      if (node.inputs.length > 2)
        expect(changed({ ...simplified, nodes: simplified.nodes.with(reader, turned) })).toBeDefined();
      const other = { ...node, op: node.op === "Mul" ? "Add" : "Mul", inputs: node.inputs.slice(0, 2) };
      expect(changed({ ...simplified, nodes: simplified.nodes.with(reader, other) })).toBeDefined();
    },
  );
});

/** Graphs that name values alike and compute something else, though the numbers of their constants are the same. */
describe("what only looks like moved scales is refused", () => {
  type Build = (net: RandomNet, moved: boolean) => void;
  const reason = (build: Build, size: readonly number[]): string | undefined => {
    const [before, after] = [false, true].map((moved) => {
      const net = new RandomNet(4);
      build(net, moved);
      return net.finish(size, "y");
    });
    return whyNotUnchanged(before!, after!);
  };
  const numbers = [1, 2, 3, 4, 5, 6];
  const array = (values: readonly number[], shape: readonly number[]): NamedArray =>
    f32(shape, Float32Array.from(values));

  /** `c` behind a Concat along `axis`, and its halves `a` and `b` before it, all as given. */
  const alongConcat =
    (axis: number, c: NamedArray, a: NamedArray, b: NamedArray): Build =>
    (net, moved) => {
      net.add("Relu", "r", ["x"]);
      if (moved) {
        const [left, right] = [["a", a] as const, ["b", b] as const].map(([name, constant]) =>
          net.add("Mul", `y.${name}`, [name === "a" ? "x" : "r", net.constant(name, constant)]),
        );
        net.add("Concat", "y", [left!, right!], { axis: int(axis) });
      } else {
        net.add("Mul", "y", [net.add("Concat", "both", ["x", "r"], { axis: int(axis) }), net.constant("c", c)]);
      }
    };

  it("a Concat along another axis than the constants, or constants of another shape", () => {
    const [first, last] = [numbers.slice(0, 3), numbers.slice(3)];
    const right = alongConcat(1, array(numbers, [6, 1, 1]), array(first, [3, 1, 1]), array(last, [3, 1, 1]));
    expect(reason(right, [1, 3, 3, 3])).toBeUndefined();
    const others = [
      alongConcat(2, array(numbers, [6, 1, 1]), array(first, [3, 1, 1]), array(last, [3, 1, 1])),
      alongConcat(1, array(numbers, [6, 1, 1]), array(first, [1, 1, 3]), array(last, [3, 1, 1])),
      alongConcat(1, array(numbers, [6, 1, 1]), array(first, [3, 1, 1]), array(last, [1, 3, 1])),
      alongConcat(1, array(numbers, [6, 1, 1]), array(last, [3, 1, 1]), array(first, [3, 1, 1])),
      alongConcat(1, array([2], [1]), array([2], [1]), array([3], [1])),
    ];
    for (const build of others) {
      // Where the two differ in more than their numbers, the shape rules may refuse them first.
      expect(() => {
        if (reason(build, build === others[0] ? [1, 6, 3, 3] : [1, 3, 3, 3]) === undefined) return;
        throw new RangeError("refused");
      }).toThrow();
    }
  });

  it("a Reshape that does not keep the batch", () => {
    const build =
      (target: readonly number[], positions: number): Build =>
      (net, moved) => {
        const scales = [1, 2, 3, 4];
        const to = net.constant("to", int64(target));
        if (moved) {
          const many = scales.flatMap((scale) => Array.from({ length: positions }, () => scale)).slice(0, target[1]);
          net.add("Mul", "y", [
            net.add("Reshape", "flat", ["x", to]),
            net.constant("many", array(many, [many.length])),
          ]);
        } else {
          net.add("Reshape", "y", [net.add("Mul", "s", ["x", net.constant("c", array(scales, [4, 1, 1]))]), to]);
        }
      };
    expect(reason(build([2, 64], 16), [2, 4, 4, 4])).toBeUndefined();
    expect(reason(build([8, 16], 4), [2, 4, 4, 4])).toMatch(/was Reshape/);
    expect(reason(build([8, 16], 16), [2, 4, 4, 4])).toMatch(/was Reshape/);
  });
});
