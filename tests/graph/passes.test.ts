import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { f32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { fold } from "#repvgg/graph/fold.js";
import { encodeAttribute } from "#repvgg/formats/onnx/model.js";
import { attributeType, emptyAttribute } from "#repvgg/formats/onnx/proto.js";
import { inferShapes } from "#repvgg/graph/analyze/analyze.js";
import { float, int, ints, string, tensor } from "#repvgg/graph/attributes.js";
import { int64, node, uniqueName, valueInfo } from "#repvgg/graph/build.js";
import { constantFolding } from "#repvgg/graph/constant-folding.js";
import { eliminateDead, eliminateNoOps } from "#repvgg/graph/eliminate.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph, GraphNode } from "#repvgg/graph/graph.js";
import { castFloats } from "#repvgg/graph/precision.js";
import { consumersOf, producersOf, validate } from "#repvgg/graph/validate.js";
import { normal, RandomNet, worstError } from "./support.js";

function graphOf(
  nodes: GraphNode[],
  outputs: string[],
  constants: Record<string, ReturnType<typeof int64>> = {},
): Graph {
  return {
    name: "g",
    inputs: [valueInfo("x", ["batch", 4, "height", "width"])],
    outputs: outputs.map((name) => valueInfo(name, ["batch", 4])),
    nodes,
    initializers: new Map(Object.entries(constants)),
  };
}

describe("validate", () => {
  const failure = (nodes: GraphNode[], outputs = ["y"]): string => {
    try {
      validate(graphOf(nodes, outputs));
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as Error).message;
    }
    return "valid";
  };

  it("accepts a graph in order and names what is wrong in others", () => {
    expect(failure([node("Relu", "a", ["x"], ["t"]), node("Relu", "b", ["t"], ["y"])])).toBe("valid");
    expect(failure([node("Relu", "a", ["x"], ["y"]), node("Relu", "a", ["x"], ["z"])])).toMatch(/two nodes "a"/);
    expect(failure([node("Relu", "a", ["x"], ["y"]), node("Relu", "b", ["x"], ["y"])])).toMatch(
      /"y", written again by Relu "b"/,
    );
    expect(failure([node("Relu", "a", ["nowhere"], ["y"])])).toMatch(/"nowhere" of Relu "a" to exist/);
    expect(failure([node("Relu", "a", ["x"], ["t"])])).toMatch(/"y", which none writes/);
  });

  it("tells a cycle from a wrong order", () => {
    expect(failure([node("Relu", "b", ["t"], ["y"]), node("Relu", "a", ["x"], ["t"])])).toMatch(
      /written later, by Relu "a"/,
    );
    const cycle = [
      node("Add", "a", ["x", "u"], ["t"]),
      node("Relu", "b", ["t"], ["u"]),
      node("Relu", "c", ["t"], ["y"]),
    ];
    expect(failure(cycle)).toMatch(/a cycle: "b" also depends on "a"/);
    expect(() => fold(graphOf(cycle, ["y"]))).toThrow(/cycle/);
  });

  it("finds a cycle behind a long chain without recursion", () => {
    const chain = Array.from({ length: 20_000 }, (_, i) =>
      node("Relu", `n${i}`, [i === 0 ? "last" : `v${i - 1}`], [i === 19_999 ? "last" : `v${i}`]),
    );
    expect(failure(chain, ["last"])).toMatch(/cycle/);
  });

  it("indexes producers and consumers", () => {
    const graph = graphOf([node("Add", "a", ["x", "x"], ["t"]), node("Relu", "b", ["t"], ["y"])], ["y"]);
    expect(producersOf(graph).get("t")!.name).toBe("a");
    expect(
      consumersOf(graph)
        .get("x")!
        .map(({ name }) => name),
    ).toEqual(["a"]);
    expect(uniqueName("a", new Set(["a", "a_1"]))).toBe("a_2");
  });
});

describe("shape inference", () => {
  it("passes dynamic sizes through by name, equal for equal arithmetic", () => {
    const net = new RandomNet(1);
    net.randomConv("same", "x", 4, 6, 3, { padding: 1 });
    net.randomConv("half", "same", 6, 8, 3, { padding: 1, stride: 2 });
    net.randomConv("half1", "same", 6, 8, 1, { stride: 2 });
    net.add("Add", "sum", ["half", "half1"]);
    net.randomConv("smaller", "sum", 8, 8, 3);
    net.add("GlobalAveragePool", "pool", ["smaller"]);
    net.add("Flatten", "flat", ["pool"], { axis: int(1) });
    net.add("Gemm", "logits", ["flat", net.constant("w", normal(net.rng, [10, 8]))], { transB: int(1) });
    const shapes = inferShapes(net.finish(["batch", 4, "height", "width"], "logits"));
    const of = (name: string) => shapes.get(name)!.shape;
    expect(of("same")).toEqual(["batch", 6, "height", "width"]);
    expect(of("half")).toEqual(["batch", 8, "ceil(height/2)", "ceil(width/2)"]);
    expect(of("sum")).toEqual(of("half1"));
    expect(of("smaller")).toEqual(["batch", 8, "ceil(height/2)-2", "ceil(width/2)-2"]);
    expect(of("flat")).toEqual(["batch", 8]);
    expect(of("logits")).toEqual(["batch", 10]);
  });

  it("takes what the file states where no rule tells, leaves the rest undefined and keeps element types", () => {
    const graph = graphOf(
      [node("Custom", "c", ["x"], ["t"]), node("Relu", "r", ["t"], ["y"]), node("Shape", "s", ["x"], ["z"])],
      ["y", "z"],
    );
    const shapes = inferShapes(graph);
    expect(shapes.has("t")).toBe(false);
    expect(shapes.get("y")!.shape).toEqual(graph.outputs[0]!.shape);
    expect(shapes.get("z")).toEqual({ name: "z", dtype: "i64", shape: [4] });
  });
});

describe("constant folding", () => {
  it("removes the Shape → Gather → Unsqueeze → Concat → Reshape chain before a classifier", () => {
    const nodes = [
      node("GlobalAveragePool", "pool", ["x"], ["p"]),
      node("Shape", "shape", ["p"], ["s"]),
      node("Constant", "zero", [], ["zero"], {
        value: tensor({ dtype: "i64", shape: [], data: BigInt64Array.of(0n) }),
      }),
      node("Gather", "gather", ["s", "zero"], ["n"], { axis: int(0) }),
      node("Unsqueeze", "unsqueeze", ["n", "axes"], ["n1"]),
      node("Constant", "rest", [], ["rest"], { value_ints: ints([-1]) }),
      node("Concat", "concat", ["n1", "rest"], ["target"], { axis: int(0) }),
      node("Reshape", "reshape", ["p", "target"], ["y"]),
    ];
    const graph = graphOf(nodes, ["y"], { axes: int64([0]) });
    const folded = eliminateDead(constantFolding(graph));
    expect(folded.nodes.map(({ op }) => op)).toEqual(["GlobalAveragePool", "Reshape"]);
    expect([...folded.initializers].map(([name, { data }]) => [name, ...data])).toEqual([["y.shape", 0n, -1n]]);
    const x = new Map([["x", normal(new Rng(1), [3, 4, 2, 2])]]);
    expect(evaluate(folded, x).get("y")).toEqual(evaluate(graph, x).get("y"));
    expect(graph.nodes).toHaveLength(8);
  });

  it("computes weights in float64 and rounds once; folds Shape over static sizes", () => {
    const net = new RandomNet(2);
    const k = net.constant("k", f32([1], Float32Array.of(0.1)));
    net.add("Mul", "k2", [k, k]);
    net.add("Mul", "k4", ["k2", "k2"]);
    net.add("Mul", "scaled", ["x", "k4"]);
    net.add("Shape", "shape", ["scaled"]);
    net.add("Reshape", "y", ["scaled", "shape"]);
    const folded = eliminateDead(constantFolding(net.finish([2, 4, 3, 3], "y")));
    expect(folded.nodes.map(({ op }) => op)).toEqual(["Mul", "Reshape"]);
    expect(folded.initializers.get("k4")!.data[0]).toBe(Math.fround(Math.fround(0.1) ** 4));
    expect([...folded.initializers.get("shape")!.data]).toEqual([2n, 4n, 3n, 3n]);
  });

  it("gives only Reshape a target of which 0 copies a size, and only where 0 copies", () => {
    const chain = (op: string, attributes = {}, domain = "") => [
      node("Shape", "shape", ["x"], ["s"]),
      node("Gather", "gather", ["s", "first"], ["n"], { axis: int(0) }),
      node("Concat", "concat", ["n", "rest"], ["target"], { axis: int(0) }),
      { ...node(op, "end", ["x", "target"], ["y"], attributes), domain },
    ];
    const targetOf = (...row: Parameters<typeof chain>) => {
      const graph = graphOf(chain(...row), ["y"], { first: int64([0]), rest: int64([4, 4]) });
      return constantFolding(graph).nodes.at(-1)!.inputs[1];
    };
    expect(targetOf("Reshape")).toBe("y.shape");
    expect(targetOf("Reshape", { allowzero: int(1) })).toBe("target");
    expect(targetOf("Reshape", {}, "com.example")).toBe("target");
    expect(targetOf("Expand")).toBe("target");
  });

  it("readers of a constant that is written by name all read one copy", () => {
    const nodes = [
      node("Neg", "neg", ["k"], ["c"]),
      node("Mul", "a", ["x", "c"], ["p"]),
      node("Add", "b", ["p", "c"], ["y"]),
    ];
    const folded = constantFolding(graphOf(nodes, ["y", "c"], { k: f32([1], Float32Array.of(2)) }));
    const [, a, b] = folded.nodes;
    expect(a!.inputs[1]).not.toBe("c");
    expect(b!.inputs[1]).toBe(a!.inputs[1]);
    expect([...folded.initializers.get(a!.inputs[1]!)!.data]).toEqual([-2]);
    expect(folded.initializers.size).toBe(2);
  });

  it("keeps a constant that is a graph output, and does not build enormous ones", () => {
    const constants = { size: int64([1 << 20, 1 << 10]) };
    const graph = graphOf(
      [node("ConstantOfShape", "big", ["size"], ["y"]), node("Neg", "n", ["size"], ["z"])],
      ["y", "z"],
      constants,
    );
    expect(constantFolding(graph).nodes.map(({ name }) => name)).toEqual(["big", "n"]);
  });
});

describe("elimination", () => {
  it("drops what nothing reads and what does nothing", () => {
    const nodes = [
      node("Identity", "id", ["x"], ["a"]),
      node("Dropout", "drop", ["a"], ["b"]),
      node("Pad", "pad", ["b", "none"], ["c"]),
      node("Relu", "relu", ["c"], ["y"]),
      node("Neg", "dead", ["c"], ["d"]),
      node("Identity", "out", ["y"], ["z"]),
    ];
    const graph = eliminateDead(eliminateNoOps(graphOf(nodes, ["z"], { none: int64([0, 0, 0, 0, 0, 0, 0, 0]) })));
    expect(graph.nodes).toEqual([node("Relu", "relu", ["x"], ["y"]), node("Identity", "out", ["y"], ["z"])]);
    expect(graph.initializers.size).toBe(0);
  });
});

describe("control flow", () => {
  /** An If whose branches give `read`, a value of the graph around them. */
  const branching = (read: string, written: readonly string[] = []) => {
    const inner = written.map((name) => ({ opType: "Relu", input: ["x"], output: [name], attribute: [] }));
    const branch = { node: inner, initializer: [], input: [], output: [{ name: read }], valueInfo: [] };
    const attribute = { ...emptyAttribute, name: "then_branch", type: attributeType.graph, g: branch };
    return node("If", "if", ["condition"], ["chosen"], {
      then_branch: { type: "opaque", onnxType: attributeType.graph, bytes: encodeAttribute(attribute) },
    });
  };

  it("keeps what its subgraphs read by name, though no node does", () => {
    const identity = node("Identity", "id", ["x"], ["a"]);
    const nodes = [identity, node("Neg", "constant", ["w"], ["k"]), node("Relu", "dead", ["x"], ["d"])];
    const constants = { condition: int64([1]), w: f32([1], Float32Array.of(2)), unread: int64([2]) };
    const simplify = (read: string) =>
      eliminateDead(eliminateNoOps(constantFolding(graphOf([...nodes, branching(read)], ["chosen"], constants))));
    expect(simplify("a").nodes.map(({ name }) => name)).toEqual(["id", "if"]);
    expect(simplify("k").nodes.map(({ name }) => name)).toEqual(["constant", "if"]);
    expect([...simplify("w").initializers.keys()]).toEqual(["condition", "w"]);
    expect(simplify("x").nodes.map(({ name }) => name)).toEqual(["if"]);
  });

  it("takes no name for a new value that a value inside of a subgraph has", () => {
    const net = new RandomNet(9);
    net.convBn("y", "x", 2, 2, 3, { padding: 1 });
    net.constant("condition", int64([1]));
    const graph = net.finish([1, 2, 4, 4], "y", "chosen");
    const branch = branching("y.weight", ["y.weight", "y.bias_1"]);
    const { graph: folded } = fold({ ...graph, nodes: [...graph.nodes, branch] });
    expect(folded.nodes[0]!.inputs).toEqual(["x", "y.weight_1", "y.bias"]);
  });

  it("bounds regions: a value inside that a subgraph reads stays", () => {
    const net = new RandomNet(9);
    net.convBn("y", "x", 2, 2, 3, { padding: 1 });
    net.constant("condition", int64([1]));
    const graph = net.finish([1, 2, 4, 4], "y", "chosen");
    const withRead = (read: string) => fold({ ...graph, nodes: [...graph.nodes, branching(read)] });
    expect(withRead("x").graph.nodes.map(({ op }) => op)).toEqual(["Conv", "If"]);
    const { graph: kept, report } = withRead("y.conv");
    expect(kept.nodes.map(({ op }) => op)).toEqual(["Conv", "BatchNormalization", "If"]);
    expect(report.refusals).toMatchObject([
      { node: "y", reason: 'the value "y.conv" in between is also read by If "if"' },
    ]);
    const weights = withRead("y.conv.weight").graph; // its convolution goes, its weight has a reader still
    expect([...weights.initializers.keys()]).toContain("y.conv.weight");
  });
});

describe("precision", () => {
  it("casts constants, inputs, outputs and Cast nodes, but not Resize's scales", () => {
    const net = new RandomNet(3);
    net.randomConv("c", "x", 2, 2, 1);
    net.add("Resize", "r", ["c", "", net.constant("scales", f32([4], Float32Array.of(1, 1, 2, 2)))], {
      mode: string("nearest"),
    });
    net.add("Cast", "cast", ["r"], { to: int(1) });
    net.add("ConstantOfShape", "unused", [net.constant("s", int64([1]))], {
      value: tensor(f32([1], Float32Array.of(2))),
      alpha: float(1),
    });
    const half = castFloats(net.finish([1, 2, 3, 3], "cast"), "f16");
    expect([...half.initializers].map(([name, { dtype }]) => `${name} ${dtype}`)).toEqual([
      "c.weight f16",
      "scales f32",
      "s i64",
    ]);
    expect(half.inputs[0]!.dtype).toBe("f16");
    expect(half.nodes[2]!.attributes.to).toEqual(int(10));
    expect(half.nodes[3]!.attributes.value).toMatchObject({ value: { dtype: "f16" } });
    const x = new Map([["x", normal(new Rng(4), [1, 2, 3, 3])]]);
    const [a, b] = [evaluate(half, x).get("cast")!, evaluate(net.finish([1, 2, 3, 3], "cast"), x).get("cast")!];
    expect(worstError(a.data, b.data)).toBeLessThan(1e-3);
    expect(toFloat64(half.initializers.get("c.weight")!)).not.toEqual(toFloat64(net.initializers.get("c.weight")!));
  });
});
