import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { type GraphBuilder, int64 } from "#repvgg/graph/build.js";
import { normal } from "../graph/support.js";
import { checkGraph, graphOf, randomArray } from "./compare.js";
import { engineBackends, expectCase, type NodeCase, runCase } from "./node-case.js";

const rng = new Rng(11);
const x = (...shape: number[]) => normal(rng, shape);

const products: readonly (readonly [a: readonly number[], b: readonly number[]])[] = [
  [
    [5, 7],
    [7, 3],
  ],
  [
    [2, 5, 7],
    [7, 3],
  ],
  [
    [2, 5, 7],
    [2, 7, 3],
  ],
  [
    [2, 3, 9, 16],
    [2, 3, 16, 9],
  ],
  [
    [2, 3, 4, 5],
    [3, 5, 2],
  ],
  [
    [4, 5],
    [6, 2, 5, 33],
  ],
  [
    [2, 1, 4, 5],
    [1, 3, 5, 6],
  ],
  [
    [2, 1, 2, 1, 3, 4],
    [1, 3, 1, 2, 4, 5],
  ],
  [[7], [7]],
  [[7], [7, 4]],
  [[3, 4, 7], [7]],
  [[7], [2, 7, 3]],
  [
    [1, 1, 200],
    [1, 200, 70],
  ],
];

const matmuls = products.flatMap(([a, b]): NodeCase[] => {
  const inputs = [x(...a), x(...b)];
  return [[0, 1], [0], [1]].map((computed) => ({
    op: "MatMul",
    what: `[${a}] · [${b}], computed ${computed}`,
    inputs,
    computed,
  }));
});

const addends = [[], [1], [6], [4, 1], [1, 6], [4, 6], [1, 1]];
const gemms = [0, 1].flatMap((transA) =>
  [0, 1].flatMap((transB): NodeCase[] => {
    const a = transA ? x(5, 4) : x(4, 5);
    const b = transB ? x(6, 5) : x(5, 6);
    const attributes = { transA: int(transA), transB: int(transB), alpha: float(0.5), beta: float(-1.5) };
    const forms = addends.flatMap((shape) =>
      [[0], [0, 1], [0, 2], [0, 1, 2], [1]].map((computed) => ({ shape, computed })),
    );
    return [
      ...forms.map(({ shape, computed }) => ({
        op: "Gemm",
        what: `transA ${transA}, transB ${transB}, C [${shape}], computed ${computed}`,
        inputs: [a, b, x(...shape)],
        computed,
        attributes,
      })),
      {
        op: "Gemm",
        what: `transA ${transA}, transB ${transB}, without C`,
        inputs: [a, b],
        computed: [0, 1],
        attributes,
      },
    ];
  }),
);

describe.each(engineBackends)("matrices on $name", ({ backend }) => {
  it.each(matmuls)("MatMul $what", (c) => expectCase(backend, c));
  it.each(gemms)("Gemm $what", (c) => expectCase(backend, c));

  it("leaves an addend out whose beta is 0, whatever it holds", () => {
    const c = f32([4], Float32Array.of(Number.NaN, 1, 2, 3));
    const inputs = [x(2, 3), x(3, 4), c];
    const { o0 } = runCase(backend, { op: "Gemm", inputs, computed: [0, 1], attributes: { beta: float(0) } });
    expect(o0!.data.every(Number.isFinite)).toBe(true);
  });

  const attention =
    (heads: number, bias: boolean) =>
    (b: GraphBuilder): readonly string[] => {
      const linear = (name: string, value: string) => {
        const y = b.add("MatMul", `${name}.product`, [value, b.constant(`${name}.w`, randomArray(name, [12, 12]))]);
        return bias ? b.add("Add", name, [b.constant(`${name}.b`, randomArray(`${name}.b`, [12])), y]) : y;
      };
      const shape = (name: string, value: string, sizes: readonly number[]) =>
        b.add("Reshape", name, [value, b.constant(`${name}.shape`, int64(sizes))]);
      const turned = (name: string, value: string, ...perm: number[]) =>
        b.add("Transpose", name, [value], { perm: ints(perm) });
      const head = (name: string) => shape(`${name}.heads`, linear(name, "x"), [0, 9, heads, 12 / heads]);
      const q = turned("qt", head("q"), 0, 2, 1, 3);
      const k = turned("kt", head("k"), 0, 2, 3, 1);
      const v = turned("vt", head("v"), 0, 2, 1, 3);
      const scores = b.add("Softmax", "weights", [b.add("MatMul", "scores", [q, k])], { axis: int(-1) });
      const joined = turned("yt", b.add("MatMul", "y", [scores, v]), 0, 2, 1, 3);
      return [linear("out", shape("flat", joined, [0, 9, 12]))];
    };

  it.each([
    [3, true],
    [1, false],
    [12, true],
  ])("attention of %i heads, bias %s, without a step for any Transpose or bias", (heads, bias) => {
    const build = attention(heads, bias);
    checkGraph(backend, [2, 9, 12], build, 2e-5);
    const session = createSession(graphOf([2, 9, 12], build), { backend, shape: [2, 9, 12] });
    const ops = session.plan().steps.map(({ op }) => op);
    session.dispose();
    expect(ops).toEqual(["MatMul", "MatMul", "MatMul", "MatMul", "Softmax", "MatMul", "MatMul"]);
  });

  it("leaves transposed operands alone that are read elsewhere, too", () => {
    checkGraph(backend, [2, 5, 5], (b) => {
      const y = b.add("MatMul", "y", ["x", "x"]);
      return [b.add("Relu", "r", [y]), b.add("Add", "same", [y, "x"])];
    });
  });
});
