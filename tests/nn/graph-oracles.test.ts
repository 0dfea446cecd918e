import { describe, expect, it } from "vitest";
import { f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { fold } from "#repvgg/graph/fold.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Architecture } from "#repvgg/nn/architecture.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { fromFoldedGraph } from "#repvgg/nn/from-graph.js";
import { initialState } from "#repvgg/nn/initialize.js";
import type { Model } from "#repvgg/nn/model.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { expectRelative, oracleArrays, oracleNets, oracleState } from "./oracles.js";

/** The first of the stored pictures is enough for an evaluator that is naive by design. */
function firstOf(array: NamedArray): NamedArray {
  const shape = [1, ...array.shape.slice(1)];
  const data = Float32Array.from(toFloat64(array).subarray(0, array.data.length / array.shape[0]!));
  return { dtype: "f32", shape, data };
}

function trainModel(architecture: Architecture, state: Model["state"]): Model {
  const { metadata } = repvgg({ depths: [1], widths: [1, 1] }, { classes: 10 });
  return { architecture, form: "train", state, metadata };
}

describe.each(Object.entries(oracleNets))("graph of the authors' %s", (name, architecture) => {
  it("gives the authors' logits in both forms", async () => {
    const io = await oracleArrays(`${name}-io.safetensors`);
    const input = new Map([["input", firstOf(io.get("input")!)]]);
    const expected = toFloat64(firstOf(io.get("logits")!));
    for (const form of ["train", "plain"] as const) {
      const graph = toGraph({ architecture, form, state: await oracleState(name, form) });
      expectRelative(evaluate(graph, input).get("logits")!.data, expected, 1e-5, form);
    }
  });

  it("folds to the authors' plain form, by their names", async () => {
    const train = trainModel(architecture, await oracleState(name, "train"));
    const plain = fromFoldedGraph(fold(toGraph(train)).graph, train);
    const authors = await oracleState(name, "plain");
    expect([...plain.state.keys()]).toEqual([...stateSchema(architecture, "plain").keys()]);
    for (const [key, array] of plain.state) {
      expectRelative(toFloat64(array), toFloat64(authors.get(key)!), 1e-6, key);
    }
  });
});

describe("every kind of block folds to its plain form", () => {
  const base = { depths: [2, 2], widths: [4, 4, 8], strides: [1, 2, 1], classes: 3 };
  it.each([
    ["all branches", {}],
    ["an identity branch in stage 0", { inputChannels: 4 }],
    ["3×3 only", { branches: { pointwise: false, identity: false } }],
    ["3×3 and 1×1", { branches: { identity: false } }],
    ["3×3 and identity", { branches: { pointwise: false } }],
    ["groups", { groups: 4 }],
    ["depthwise", { widths: [8, 8, 8], groups: { 1: 8, 2: 8, 3: 8, 4: 8 } }],
    ["SE before ReLU", { squeezeExcite: { position: "before-relu" as const, ratio: 2 } }],
    ["SE after ReLU", { squeezeExcite: { position: "after-relu" as const, ratio: 2 } }],
  ])("%s", (_, options) => {
    const net = architecture({ ...base, ...options });
    const train = trainModel(net, initialState(net, "train", 1));
    const plain = fromFoldedGraph(fold(toGraph(train)).graph, train);
    const rng = rngFor(2, "picture");
    const shape = [1, net.inputChannels, 9, 9];
    const picture = f32(
      shape,
      Float32Array.from({ length: net.inputChannels * 81 }, () => rng.normal()),
    );
    const logits = (model: Model) => evaluate(toGraph(model), new Map([["input", picture]])).get("logits")!.data;
    expectRelative(logits(plain), logits(train), 1e-6);
  });

  it("stage outputs of both forms agree", () => {
    const net = architecture(base);
    const train = trainModel(net, initialState(net, "train", 1));
    const graph = toGraph(train, { features: true });
    const folded = fold(graph).graph;
    const input = new Map([["input", f32([1, 3, 9, 9]) as NamedArray]]);
    (input.get("input")!.data as Float32Array).fill(1);
    const [before, after] = [evaluate(graph, input), evaluate(folded, input)];
    for (const name of ["stage0", "stage1", "stage2"]) {
      expect(before.get(name)!.shape.slice(0, 2)).toEqual([1, net.widths[Number(name.at(-1))]]);
      expectRelative(after.get(name)!.data, before.get(name)!.data, 1e-6, name);
    }
  });
});
