import { describe, expect, it } from "vitest";
import { toFloat32 } from "#repvgg/core/named-arrays.js";
import { createSession, type SessionTensor } from "#repvgg/engine/session.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, randomInputs, relativeError } from "./compare.js";
import { oracleGraph, oracleIo, oracleNets, randomNet } from "./nets.js";

const backend = backendOf(2);
const plus = { depths: [1, 1, 2, 1], widths: [6, 6, 6, 10, 12], family: "repvggplus" as const };
const small = { depths: [2, 2, 1], widths: [6, 6, 10, 12] };

describe.each([
  ["RepVGG", small],
  ["without identity branches", { ...small, branches: { identity: false } }],
  ["without branches", { ...small, branches: { identity: false, pointwise: false } }],
  ["in groups", { ...small, widths: [4, 8, 8, 16], groups: 2 }],
  ["with SE before ReLU", { ...small, squeezeExcite: { position: "before-relu" as const, ratio: 2 } }],
  ["RepVGGplus", { ...plus, squeezeExcite: { position: "after-relu" as const, ratio: 2 } }],
])("a net %s", (_, spec) => {
  it.each([
    [1, 33, 19],
    [3, 16, 17],
  ])("computes what is defined: batch %i, %i×%i", (batch, height, width) => {
    const inputs = randomInputs({ input: [batch, 3, height, width] });
    for (const fuseBatchNorm of [true, false]) {
      expectAsDefined(backend, randomNet(spec, "train"), inputs, { fuseBatchNorm });
    }
    expectAsDefined(backend, randomNet(spec, "plain"), inputs);
  });

  it("gives the same bits on one thread and on two", () => {
    const input = randomInputs({ input: [2, 3, 33, 19] });
    for (const form of ["train", "plain"] as const) {
      const [one, two] = ([1, 2] as const).map((threads) => logits(randomNet(spec, form), input, threads));
      expect(one).toEqual(two);
    }
  });
});

function logits(graph: Graph, input: Record<string, SessionTensor>, threads: 1 | 2 = 2): Float32Array {
  const shape = input.input!.shape;
  const session = createSession(graph, { backend: backendOf(threads), shape, fuseBatchNorm: false });
  try {
    return session.run(input).logits!.data;
  } finally {
    session.dispose();
  }
}

describe.each(Object.keys(oracleNets) as (keyof typeof oracleNets)[])("the authors' %s", (name) => {
  it("gives the authors' logits in training form, folded by us, and folded by them", async () => {
    const io = await oracleIo(name);
    const input = { input: { shape: io.input.shape, data: toFloat32(io.input) } };
    const train = await oracleGraph(name, "train");
    const forms = { train, folded: fold(train).graph, deploy: await oracleGraph(name, "plain") };
    for (const [form, graph] of Object.entries(forms)) {
      expect(relativeError(logits(graph, input), toFloat32(io.logits)), form).toBeLessThan(1e-5);
    }
  });
});
