import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { elementCount, f32, type NamedArray, storageConstructor } from "#repvgg/core/named-arrays.js";
import { lackingOperators } from "#repvgg/engine/lacking.js";
import { createSession } from "#repvgg/engine/session.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { wholeRange } from "#repvgg/lowering/whole-numbers.js";
import { randomArray } from "./compare.js";
import { engineBackends, graphOfCase, type NodeCase, runCase } from "./node-case.js";

// What scripts/fuzz-engine.mjs has found, each with its kind.

const x = randomArray("x", [1, 2, 4, 4]);
const whole = (dtype: NamedArray["dtype"], shape: readonly number[], values: readonly number[]): NamedArray => {
  const data = new storageConstructor[dtype](elementCount(shape));
  values.forEach((value, i) => {
    (data as unknown as (number | bigint)[])[i] = dtype === "i64" || dtype === "u64" ? BigInt(value) : value;
  });
  return { dtype, shape, data } as NamedArray;
};

/** Both refuse, each with a message of its own that says why. */
function expectRefused(c: NodeCase, message: RegExp): void {
  const graph = graphOfCase(c);
  const values = new Map((c.computed ?? [0]).map((i) => [`i${i}`, c.inputs[i]!] as const));
  expect(() => evaluate(graph, values), `${c.op}, by definition`).toThrow(UserError);
  expect(() => evaluate(graph, values), `${c.op}, by definition`).toThrow(message);
  for (const { name, backend } of engineBackends) {
    const before = backend.memory.usedWords;
    expect(() => createSession(graph, { backend }), `${c.op}, ${name}`).toThrow(UserError);
    expect(() => createSession(graph, { backend }), `${c.op}, ${name}`).toThrow(message);
    expect(backend.memory.usedWords).toBe(before);
  }
}

describe("an attribute that says yes or no", () => {
  const kernel = { kernel_shape: ints([2, 2]) };
  const cases: readonly [string, NodeCase][] = [
    ["count_include_pad", { op: "AveragePool", inputs: [x], attributes: kernel }],
    ["ceil_mode", { op: "MaxPool", inputs: [x], attributes: kernel }],
    ["storage_order", { op: "MaxPool", inputs: [x], attributes: kernel, outputs: ["f32", "i64"] }],
    ["keepdims", { op: "ReduceMean", inputs: [x], attributes: { axes: ints([1]) } }],
    ["keepdims", { op: "ArgMax", inputs: [x], outputs: ["i64"] }],
    ["select_last_index", { op: "ArgMax", inputs: [x], outputs: ["i64"] }],
    ["largest", { op: "TopK", inputs: [x, int64([1])], outputs: ["f32", "i64"] }],
    ["exclusive", { op: "CumSum", inputs: [x, int64([1])] }],
    ["reverse", { op: "CumSum", inputs: [x, int64([1])] }],
    ["transA", { op: "Gemm", inputs: [randomArray("g", [4, 4]), randomArray("h", [4, 4])] }],
    ["transB", { op: "Gemm", inputs: [randomArray("g", [4, 4]), randomArray("h", [4, 4])] }],
    ["align_corners", { op: "GridSample", inputs: [x, randomArray("grid", [1, 3, 3, 2])], opset: 20 }],
    ["exclude_outside", { op: "Resize", inputs: [x, undefined, f32([4], Float32Array.of(1, 1, 2, 2))] }],
    ["allowzero", { op: "Reshape", inputs: [x, int64([32])] }],
  ];
  it.each(cases)("%s is 0 or 1 to the evaluator and the engine", (name, c) => {
    for (const value of [2, -1, 2 ** 31]) {
      expectRefused(
        { ...c, attributes: { ...c.attributes, [name]: int(value) } },
        new RegExp(`0 or 1 as attribute "${name}"`),
      );
    }
  });
});

describe("an operator", () => {
  it("is only what it is since its first version, in the engine too", () => {
    const c: NodeCase = { op: "Gelu", inputs: [x], opset: 11 };
    expectRefused(c, /Gelu of operator set/);
    expect(lackingOperators(graphOfCase(c))).toEqual([{ op: "Gelu of operator set 11", nodes: ["node"] }]);
    expect(lackingOperators(graphOfCase({ ...c, opset: 20 }))).toEqual([]);
  });

  it.each([
    ["Unsqueeze", [x, whole("i64", [1, 2], [0, 1])]],
    ["Squeeze", [x, whole("i64", [1, 1], [0])]],
    ["Reshape", [x, whole("i64", [2, 2], [1, 2, 4, 4])]],
    ["Expand", [x, whole("i64", [2, 2], [1, 2, 4, 4])]],
    ["TopK", [x, whole("i64", [1, 1], [1])]],
    ["ReduceSum", [x, whole("i64", [1, 1], [1])]],
  ] as const)("%s takes a list, no matrix, for its shape or axes", (op, inputs) => {
    expectRefused({ op, inputs, outputs: op === "TopK" ? ["f32", "i64"] : ["f32"] }, /list/);
  });

  it("that gives nothing is refused before it is planned, with whatever it is fused", () => {
    for (const op of ["Relu", "Sigmoid"]) {
      const graph: Graph = {
        name: "nothing",
        inputs: [valueInfo("x", [1, 2, 4, 4])],
        nodes: [node("Conv", "conv", ["x", "w"], ["c"]), node(op, "act", ["c"], ["y"])],
        initializers: new Map([["w", f32([0, 2, 1, 1])]]),
        outputs: [{ name: "y", dtype: "f32", shape: undefined }],
      };
      for (const { backend } of engineBackends) {
        expect(() => createSession(graph, { backend })).toThrow(/results of at least one element/);
      }
    }
  });

  it.each([
    ["Gemm", [f32([3, 0]), f32([2, 0])], { transB: int(1) }],
    ["Gemm", [f32([3, 0]), f32([0, 2])], {}],
    ["MatMul", [f32([3, 0]), f32([0, 2])], {}],
    ["Conv", [f32([1, 0, 4, 4]), f32([2, 0, 1, 1])], {}],
  ] as const)("%s over nothing is refused by the engine, constant or computed", (op, [a, b], attributes) => {
    const initializers = new Map<string, NamedArray>([
      ["a", a],
      ["b", b],
    ]);
    const graph: Graph = {
      ...{ name: "over nothing", inputs: [valueInfo("x", [1, 2])], initializers },
      nodes: [node(op, "n", ["a", "b"], ["y"], attributes)],
      outputs: [{ name: "y", dtype: "f32", shape: undefined }],
    };
    for (const { backend } of engineBackends) expect(() => createSession(graph, { backend })).toThrow(UserError);
  });

  it("ConvTranspose of which no tap is inside still gives its bias", () => {
    const c: NodeCase = {
      op: "ConvTranspose",
      inputs: [randomArray("x", [1, 1, 2, 1]), randomArray("w", [1, 1, 1, 1]), randomArray("b", [1])],
      attributes: { strides: ints([2, 1]), pads: ints([1, 0, 1, 0]) },
    };
    for (const { backend } of engineBackends)
      expect(runCase(backend, c)["o0"]!.data).toEqual(randomArray("b", [1]).data);
  });

  it("HardSwish has no attributes: what stands there changes nothing", () => {
    const graph = graphOfCase({ op: "HardSwish", inputs: [x], attributes: { alpha: float(2), beta: float(3) } });
    const defined = evaluate(graph, new Map([["i0", x]])).get("o0")!.data;
    for (const { backend } of engineBackends) {
      const session = createSession(graph, { backend });
      const { data } = session.run(x)["o0"]!;
      session.dispose();
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(defined[i]!, 5);
    }
  });

  it("Resize of nothing gives nothing, and makes nothing into something", () => {
    const nothing = f32([1, 0, 4, 4]);
    const scaled = (values: readonly number[]): NodeCase => ({
      op: "Resize",
      inputs: [nothing, undefined, f32([4], Float32Array.from(values))],
    });
    const graph = graphOfCase(scaled([1, 1, 2, 1.5]));
    expect(evaluate(graph, new Map([["i0", nothing]])).get("o0")!.shape).toEqual([1, 0, 8, 6]);
    const sized = graphOfCase({ op: "Resize", inputs: [nothing, undefined, undefined, int64([1, 3, 4, 4])] });
    expect(() => evaluate(sized, new Map([["i0", nothing]]))).toThrow(UserError);
  });
});

describe.each(engineBackends.slice(1))("whole numbers on $name", ({ backend }) => {
  const run = (c: NodeCase, values: readonly number[]) => {
    const session = createSession(graphOfCase(c), { backend });
    try {
      return [...session.run({ i0: { shape: c.inputs[0]!.shape, data: Float32Array.from(values) } })["o0"]!.data];
    } finally {
      session.dispose();
    }
  };
  const types = { u8: 2, i8: 3, u16: 4, i16: 5, i32: 6, i64: 7, u32: 12, u64: 13 } as const;

  it.each(Object.entries(types))("cast to %s are in its range or refused", (dtype, to) => {
    const { low, high } = wholeRange(dtype as keyof typeof types);
    const c: NodeCase = {
      op: "Cast",
      inputs: [f32([3])],
      attributes: { to: int(to) },
      outputs: [dtype as keyof typeof types],
    };
    expect(run(c, [low, 1.75, high])).toEqual([low, 1, high]);
    for (const wrong of low < -(2 ** 23)
      ? []
      : [low - 1, Math.max(high, 2 ** 25) + 8, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => run(c, [0, wrong, 0]), `${wrong}`).toThrow(/as result of node "node" \(Cast\)/);
    }
    const narrowing: NodeCase = { ...c, inputs: [whole("i64", [2], [0, 0])] };
    expect(run(narrowing, [low, high])).toEqual([low, high]);
    if (high < 2 ** 24 - 1) expect(() => run(narrowing, [0, high + 1])).toThrow(UserError);
    if (low === 0) expect(() => run(narrowing, [0, -1])).toThrow(UserError);
  });

  it.each([
    ["Add", [100, 1], [100, 1]],
    ["Sub", [-100, 1], [100, 1]],
    ["Mul", [-100, 1], [2, 1]],
  ] as const)("of int8: %s beyond its type is refused", (op, a, b) => {
    const c: NodeCase = { op, inputs: [whole("i8", [2], []), whole("i8", [2], b)], outputs: ["i8"] };
    expect(run(c, [0, 1])).toHaveLength(2);
    expect(() => run(c, a)).toThrow(/from -128 to 127 as result of node "node"/);
  });

  it.each(["Neg", "Abs"])("of int8: %s of the lowest number is refused", (op) => {
    const c: NodeCase = { op, inputs: [whole("i8", [2], [])], outputs: ["i8"] };
    expect(run(c, [-127, 5])).toEqual([127, op === "Neg" ? -5 : 5]);
    expect(() => run(c, [-128, 5])).toThrow(/from -128 to 127/);
  });

  it("as input are of the input's type", () => {
    const c: NodeCase = { op: "Add", inputs: [whole("u8", [2], []), whole("u8", [2], [0, 0])], outputs: ["u8"] };
    expect(run(c, [0, 255])).toEqual([0, 255]);
    for (const wrong of [-1, 256, 0.5, Number.NaN])
      expect(() => run(c, [0, wrong])).toThrow(/from 0 to 255 for input "i0" \(u8\)/);
  });
});

describe("absurd sizes", () => {
  it.each([
    ["Expand", [f32([1]), int64([2 ** 31])]],
    ["Expand", [f32([1, 1]), int64([2 ** 20, 2 ** 20])]],
    ["Tile", [f32([4]), int64([2 ** 40])]],
    ["Pad", [f32([4]), int64([2 ** 32, 0])]],
    ["Resize", [x, undefined, undefined, int64([1, 2, 2 ** 17, 2 ** 17])]],
    ["Resize", [x, undefined, f32([4], Float32Array.of(1, 1, 1e9, 1e9))]],
  ] as const)("of %s are refused before memory is asked for", (op, inputs) => {
    expectRefused({ op, inputs }, /./);
  });
});

describe("outputs that nothing computes", () => {
  it.each(engineBackends)("are given as they are on $name", ({ backend }) => {
    const graph: Graph = {
      name: "odd",
      inputs: [valueInfo("x", [1, 2, 4, 4])],
      nodes: [
        node("Mul", "doubled", ["k", "k"], ["d"]),
        node("Identity", "same", ["x"], ["i"]),
        node("Elu", "e", ["x"], ["y"], { alpha: float(1) }),
      ],
      initializers: new Map([["k", randomArray("k", [2, 3])]]),
      outputs: ["y", "k", "d", "x", "i", "y"].map((name) => ({ name, dtype: "f32" as const, shape: undefined })),
    };
    const session = createSession(graph, { backend });
    const [outputs, defined] = [session.run(x), evaluate(graph, new Map([["x", x]]))];
    session.dispose();
    expect(Object.keys(outputs).sort()).toEqual(["d", "i", "k", "x", "y"]);
    for (const [name, { shape, data }] of Object.entries(outputs)) {
      expect(shape).toEqual([...defined.get(name)!.shape]);
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(defined.get(name)!.data[i]!, 5);
    }
  });
});
