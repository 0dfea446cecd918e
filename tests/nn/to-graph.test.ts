import { describe, expect, it } from "vitest";
import type { Graph } from "#repvgg/graph/graph.js";
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
