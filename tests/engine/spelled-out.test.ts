import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { lackingOperators } from "#repvgg/engine/lacking.js";
import { createSession } from "#repvgg/engine/session.js";
import { inferShapes } from "#repvgg/graph/analyze/analyze.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { GraphBuilder, node, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { expectAsDefined, randomArray, randomBatchNorm, randomInputs } from "./compare.js";

const backends: Backend[] = [];
beforeAll(async () => {
  for (const kernels of ["native", "wasm"] as const) backends.push(await createBackend({ threads: 2, kernels }));
});
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

/** A graph of x; outputs by name, of the types that inference tells. */
function graphOf(shape: readonly number[], build: (b: GraphBuilder) => readonly string[], opset?: number): Graph {
  const b = new GraphBuilder();
  const names = build(b);
  const graph = b.graph("spelled", [valueInfo("x", shape)], []);
  const nodes = graph.nodes.map((each) => ({ ...each, ...(opset && { opset }) }));
  const inferred = inferShapes({ ...graph, nodes });
  return { ...graph, nodes, outputs: names.map((name) => ({ ...inferred.get(name)!, name })) };
}

function expectRuns(graph: Graph): void {
  const shape = graph.inputs[0]!.shape as readonly number[];
  for (const backend of backends) expectAsDefined(backend, graph, randomInputs({ x: shape }), { shape }, 1e-5);
}

/** One positive number a channel, of the input. */
function computed(b: GraphBuilder): string {
  const mean = b.add("ReduceMean", "mean", ["x"], { axes: ints([0, 2, 3]), keepdims: int(0) });
  return b.add("Exp", "computed", [mean]);
}

describe("BatchNormalization", () => {
  const place = { weight: 1, bias: 2, mean: 3, variance: 4 };
  it.each(Object.keys(place) as (keyof typeof place)[])(
    "with a computed %s, behind a convolution and alone",
    (which) => {
      for (const behind of [true, false]) {
        const graph = graphOf([2, 3, 4, 5], (b) => {
          const from = behind ? b.conv("c", "x", randomArray("w", [3, 3, 3, 3]), { padding: 1 }) : "x";
          const value = computed(b);
          const normed = b.batchNorm("n", from, randomBatchNorm("n", 3), 1e-3);
          const last = b.nodes.pop()!;
          b.nodes.push({ ...last, inputs: last.inputs.with(place[which], value) });
          return [b.add("Relu", "y", [normed])];
        });
        expectRuns(graph);
      }
    },
  );

  it("of positions (spatial = 0)", () => {
    const graph = graphOf(
      [2, 3, 2, 4],
      (b) => {
        const { weight, bias, mean, variance } = randomBatchNorm("n", 24);
        const inputs = Object.entries({ weight, bias, mean, variance }).map(([name, array]) =>
          b.constant(name, { ...array, shape: [3, 2, 4] } as NamedArray),
        );
        return [b.add("BatchNormalization", "y", ["x", ...inputs], { spatial: int(0), epsilon: float(0.01) })];
      },
      7,
    );
    expectRuns(graph);
  });

  it("in training mode is still refused", () => {
    const graph = graphOf([2, 3, 4, 5], (b) => {
      const normed = b.batchNorm("y", "x", randomBatchNorm("n", 3));
      const last = b.nodes.pop()!;
      b.nodes.push({ ...last, attributes: { ...last.attributes, training_mode: int(1) } });
      return [normed];
    });
    expect(() => createSession(graph, { backend: backends[0]! })).toThrow(/in training mode: export the net/);
  });
});

describe("Clip with computed limits", () => {
  it.each([
    ["low", ""],
    ["", "high"],
    ["low", "high"],
    ["high", "low"],
  ])("%j and %j", (low, high) => {
    const graph = graphOf([2, 3, 4, 5], (b) => {
      const mean = b.add("ReduceMean", "m", ["x"], { keepdims: int(0) });
      b.add("Sub", "low", [mean, b.constant("half", f32([], Float32Array.of(0.5)))]);
      b.add("Add", "high", [mean, "half"]);
      return [b.add("Clip", "y", high === "" ? ["x", low] : ["x", low, high])];
    });
    expectRuns(graph);
  });
});

describe("Dropout whose mask is read", () => {
  it.each([13, 10, 7])("of operator set %i", (opset) => {
    const graph = graphOf(
      [2, 3, 4, 5],
      (b) => {
        b.nodes.push(node("Dropout", "d", [b.add("Sigmoid", "s", ["x"])], ["kept", "mask"]));
        return ["kept", "mask"];
      },
      opset,
    );
    expectRuns(graph);
  });

  it("by another node alone", () => {
    const graph = graphOf([2, 3, 4, 5], (b) => {
      b.nodes.push(node("Dropout", "d", ["x"], ["kept", "mask"]));
      return [b.add("Where", "y", ["mask", "kept", b.add("Neg", "n", ["x"])])];
    });
    expectRuns(graph);
  });
});

describe("Einsum", () => {
  const run = (equation: string, shape: readonly number[], other?: readonly number[], turned = false): Graph =>
    graphOf(shape, (b) => {
      const operands = other ? ["x", b.constant("w", randomArray("w", other))] : ["x"];
      return [b.add("Einsum", "y", turned ? operands.reverse() : operands, { equation: string(equation) })];
    });

  it.each<[string, readonly number[], (readonly number[])?, boolean?]>([
    ["ij,jk->ik", [3, 4], [4, 5]],
    ["ij,kj->ik", [3, 4], [5, 4]],
    ["ji,jk->ki", [4, 3], [4, 5]],
    ["jk,ij->ik", [3, 4], [4, 5], true],
    ["bhid,bhjd->bhij", [2, 3, 4, 5], [2, 3, 6, 5]],
    ["bhid,bhjd->hbji", [2, 3, 4, 5], [2, 3, 6, 5]],
    ["nchw,cd->ndhw", [2, 3, 4, 5], [3, 6]],
    ["nchw,nc->nhw", [2, 3, 4, 5], [2, 3]],
    ["nchw,c->nchw", [2, 3, 4, 5], [3]],
    ["i,j->ij", [3], [4]],
    ["i,i->", [3], [3]],
    ["ijk,k->i", [2, 3, 4], [4]],
    ["nchw->nhwc", [2, 3, 4, 5]],
    ["nchw->nc", [2, 3, 4, 5]],
    ["nchw->", [2, 3, 4, 5]],
    ["nchw->nchw", [2, 3, 4, 5]],
    ["...ij,jk->...ik", [2, 3, 4], [4, 5]],
  ])("%s", (equation, shape, other, turned) => {
    const graph = run(equation, shape, other, turned);
    expect(lackingOperators(graph)).toEqual([]);
    expectRuns(graph);
  });

  it("of two computed values", () => {
    const graph = graphOf([2, 3, 4, 5], (b) => {
      const [q, k] = ["q", "k"].map((name) => b.conv(name, "x", randomArray(name, [6, 3, 1, 1])));
      return [b.add("Einsum", "y", [q!, k!], { equation: string("nchw,ndhw->ncd") })];
    });
    expectRuns(graph);
  });

  it.each<[string, readonly number[], (readonly number[])?]>([
    ["ii->i", [3, 3]],
    ["ij,jk->ik", [3, 1], [4, 5]],
  ])("%s of other shapes is refused by name", (equation, shape, other) => {
    expect(() => createSession(run(equation, shape, other), { backend: backends[0]! })).toThrow(/Einsum/);
  });
});
