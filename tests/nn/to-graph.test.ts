import { describe, expect, it } from "vitest";
import { ShapeError } from "#repvgg/core/errors.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import type { AttributeValue, Graph, GraphNode } from "#repvgg/graph/graph.js";
import { blockKinds } from "#repvgg/nn/blocks/registry.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { fromFoldedGraph } from "#repvgg/nn/from-graph.js";
import { initialState } from "#repvgg/nn/initialize.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { gradientOf } from "#repvgg/tensor/gradients.js";
import * as operations from "#repvgg/tensor/index.js";

/** Every value is written once, before it is read. */
function checkOrder(graph: Graph): void {
  const known = new Set([...graph.inputs.map((input) => input.name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) {
    for (const input of node.inputs) expect(known, `${node.name} reads ${input}`).toContain(input);
    for (const output of node.outputs) {
      expect(known, `${node.name} rewrites ${output}`).not.toContain(output);
      known.add(output);
    }
  }
  for (const output of graph.outputs) expect(known).toContain(output.name);
  expect(new Set(graph.nodes.map((node) => node.name)).size).toBe(graph.nodes.length);
}

const small = { depths: [2, 2, 2, 1], widths: [8, 8, 16, 16, 32], classes: 5 };

describe.each([
  ["three branches", architecture(small)],
  ["3×3 only", architecture({ ...small, branches: { pointwise: false, identity: false } })],
  ["identity only", architecture({ ...small, branches: { pointwise: false } })],
  ["groups", architecture({ ...small, groups: 4 })],
  ["SE before ReLU", architecture({ ...small, squeezeExcite: { position: "before-relu", ratio: 4 } })],
  [
    "exceptions",
    architecture({
      ...small,
      layers: { 1: { width: 6 }, 2: { pointwise: false }, 6: { folded: true }, 4: { identity: false } },
    }),
  ],
  ["RepVGGplus", architecture({ ...small, family: "repvggplus", squeezeExcite: { position: "after-relu", ratio: 4 } })],
])("graph of %s", (_, net) => {
  for (const form of ["train", "plain"] as const) {
    it(`is ordered and uses the ${form} state`, () => {
      const graph = toGraph({ architecture: net, form, state: initialState(net, form, 1) });
      checkOrder(graph);
      const used = [...stateSchema(net, form).values()].filter(
        (entry) => entry.kind !== "bn-count" && !entry.name.includes("_aux."),
      );
      expect(new Set(graph.initializers.keys())).toEqual(new Set(used.map((entry) => entry.name)));
    });
  }
});

describe("toGraph", () => {
  const net = repvgg(small);

  it("names pre-activation values alike in both forms", () => {
    const values = (graph: Graph) => new Set(graph.nodes.flatMap((node) => node.outputs));
    const train = values(toGraph(net));
    const plain = toGraph(repvgg(small, { form: "plain" }));
    for (const value of values(plain)) expect(train).toContain(value);
    expect(plain.nodes.filter((node) => node.op === "Conv").map((node) => node.outputs[0])).toContain(
      "stage1.0.rbr_reparam",
    );
  });

  it("sums three branches by two additions", () => {
    const adds = toGraph(net).nodes.filter((node) => node.op === "Add" && node.name.startsWith("stage1.1."));
    expect(adds.map((node) => [node.inputs, node.outputs])).toEqual([
      [["stage1.1.rbr_dense.bn", "stage1.1.rbr_1x1.bn"], ["stage1.1.sum"]],
      [["stage1.1.sum", "stage1.1.rbr_identity"], ["stage1.1.rbr_reparam"]],
    ]);
  });

  it("returns the stages' outputs on demand", () => {
    const graph = toGraph(net, { features: true });
    expect(graph.outputs.map((output) => output.name)).toEqual([
      "logits",
      "stage0",
      "stage1",
      "stage2",
      "stage3",
      "stage4",
    ]);
  });

  it("says which weight is missing", () => {
    expect(() => toGraph({ ...net, form: "plain" })).toThrow("stage0.rbr_reparam.weight");
  });
});

describe("fromFoldedGraph", () => {
  const train = repvgg(small);
  const graph = toGraph(repvgg(small, { form: "plain", seed: 3 }));

  it("reads the plain state back", () => {
    const plain = fromFoldedGraph(graph, train);
    expect(plain.form).toBe("plain");
    expect(plain.state).toEqual(repvgg(small, { form: "plain", seed: 3 }).state);
    expect(plain.metadata).toEqual(train.metadata);
  });

  it("refuses a graph with branches left", () => {
    const branch = { ...graph.nodes[0]!, name: "extra", outputs: ["extra"] };
    expect(() => fromFoldedGraph({ ...graph, nodes: [...graph.nodes, branch] }, train)).toThrow('Conv node "extra"');
    expect(() => fromFoldedGraph(toGraph(train), train)).toThrow("missing");
  });

  it("takes settings at their default for those that are left out, and refuses any other", () => {
    const defaults: Readonly<Record<string, Readonly<Record<string, AttributeValue>>>> = {
      Conv: {
        ...{ auto_pad: string("NOTSET"), strides: ints([1, 1]), pads: ints([0, 0, 0, 0]) },
        ...{ dilations: ints([1, 1]), group: int(1) },
      },
      Flatten: { axis: int(1) },
      Gemm: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) },
    };
    const others: Readonly<Record<string, readonly AttributeValue[]>> = {
      ...{ auto_pad: [string("SAME_UPPER"), string("VALID")], dilations: [ints([1, 2]), ints([2, 1])] },
      ...{ strides: [ints([1, 2]), ints([2, 1]), ints([3, 3])], group: [int(2)], axis: [int(2), int(-1)] },
      pads: [0, 1, 2, 3].map((side) => ints([1, 1, 1, 1].map((pad, i) => (i === side ? 2 : pad)))),
      ...{ alpha: [float(0.5)], beta: [float(0)], transA: [int(1)], transB: [int(0)] },
    };
    // A net with 1×1 convolutions without padding: those of squeeze-and-excitation.
    const excited = { ...small, squeezeExcite: { position: "before-relu", ratio: 4 } } as const;
    const model = repvgg(excited);
    const plain = toGraph(repvgg(excited, { form: "plain", seed: 3 }));
    const read = (at: number, attributes: GraphNode["attributes"]): unknown => {
      const nodes = plain.nodes.map((node, i) => (i === at ? { ...node, attributes } : node));
      return fromFoldedGraph({ ...plain, nodes }, model);
    };
    const tried = new Set<string>();
    for (const [at, { op, name, attributes }] of plain.nodes.entries()) {
      for (const [key, otherwise] of Object.entries(defaults[op] ?? {})) {
        tried.add(`${op} ${key}`);
        const { [key]: own = otherwise, ...rest } = attributes;
        const asDefault = JSON.stringify(own) === JSON.stringify(otherwise);
        const what = `${name}: ${key}`;
        expect(() => read(at, { ...rest, [key]: own }), what).not.toThrow();
        if (asDefault) expect(() => read(at, rest), what).not.toThrow();
        else expect(() => read(at, rest), what).toThrow(ShapeError);
        for (const other of others[key]!) {
          const { value } = other as { readonly value: string | number | readonly number[] };
          expect(() => read(at, { ...rest, [key]: other }), what).toThrow(`${key} ${[value].flat().join("×")}`);
        }
      }
    }
    expect(tried.size).toBe(10);
  });

  it("refuses another stride and a missing node", () => {
    const strided = graph.nodes.map((node, i) =>
      i === 0
        ? { ...node, attributes: { ...node.attributes, strides: { type: "ints", value: [1, 1] } as const } }
        : node,
    );
    expect(() => fromFoldedGraph({ ...graph, nodes: strided }, train)).toThrow("strides 2×2");
    expect(() => fromFoldedGraph({ ...graph, nodes: graph.nodes.slice(1) }, train)).toThrow("no such node");
  });
});

describe("the gradients of ONNX's operators", () => {
  it("are those of what nets in training form are written as", () => {
    const nets = [
      ...blockKinds.map((block) => architecture({ ...small, block })),
      architecture({ ...small, squeezeExcite: { position: "before-relu", ratio: 4 } }),
    ];
    const written = nets.flatMap((net) => {
      const graph = toGraph({ architecture: net, form: "train", state: initialState(net, "train", 1) });
      return graph.nodes.map(({ op }) => op);
    });
    expect([...new Set(written)].sort()).toEqual(Object.keys(gradientOf));
  });

  it("name operations of the tape", () => {
    for (const name of Object.values(gradientOf)) expect(operations, name).toHaveProperty(name, expect.any(Function));
  });
});
