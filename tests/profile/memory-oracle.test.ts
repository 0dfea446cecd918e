import { describe, expect, it } from "vitest";
import { planConvBackwardData, planConvForward } from "#repvgg/backend/conv/plan.js";
import { planByteConv } from "#repvgg/backend/conv-bytes/plan.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { buildPlan, type Plan } from "#repvgg/engine/plan/plan.js";
import type { Graph } from "#repvgg/graph/graph.js";
import type { Buffer } from "#repvgg/lowering/step.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { initialState } from "#repvgg/nn/initialize.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { oracleNets } from "../engine/nets.js";

/**
 * Bytes that must be there during a step, and after it, found anew: a buffer is needed from the step that writes it to the last
 * that reads it, and buffers that lie on the same addresses count once.
 */
function naiveLiveBytes({ steps, inputs, outputs }: Plan, index: number): { live: number; kept: number } {
  const needed = (from: number): number => {
    const words = new Set<number>();
    const take = (start: number, count: number): void => {
      for (let i = 0; i < count; i++) words.add(start + i);
    };
    const written = new Map<Buffer, number>();
    const read = new Map<Buffer, number>();
    for (const [at, { step }] of steps.entries()) {
      for (const buffer of step.reads) read.set(buffer, at);
      if (!written.has(step.write)) written.set(step.write, at);
    }
    for (const buffer of new Set([...written.keys(), ...read.keys()])) {
      const begin = written.get(buffer) ?? -1;
      const offset = steps.find(({ step }) => step.reads.includes(buffer) || step.write === buffer)!.offsetOf(buffer);
      const isOutput = outputs.some(
        (port) => port.offset === offset && port.words === buffer.words && !isReused(steps, buffer, offset),
      );
      const end = isOutput ? steps.length : (read.get(buffer) ?? begin);
      if (begin <= index && end >= from) take(offset, buffer.words);
    }
    return words.size * 4;
  };
  expect(inputs.length).toBeGreaterThan(0);
  return { live: needed(index), kept: needed(index + 1) };
}

/** Another buffer takes this one's place later: then it is not the one that the caller reads in the end. */
function isReused(steps: Plan["steps"], buffer: Buffer, offset: number): boolean {
  const last = steps.findLastIndex(({ step }) => step.write === buffer);
  return steps.slice(last + 1).some(({ step, offsetOf }) => {
    const at = offsetOf(step.write);
    return at < offset + buffer.words && offset < at + step.write.words;
  });
}

const nets: readonly (readonly [string, Graph])[] = (["train", "plain"] as const).flatMap((form) => [
  ...Object.entries(oracleNets).map(
    ([name, net]) =>
      [`${name} ${form}`, toGraph({ architecture: net, form, state: initialState(net, form, 0) })] as const,
  ),
  ...(["acb", "post-addition-bn", "identity-without-bn"] as const).map((block) => {
    const net = architecture({ depths: [2], widths: [3, 5], strides: [1, 1], classes: 3, inputChannels: 3 }, { block });
    return [`${block} ${form}`, toGraph({ architecture: net, form, state: initialState(net, form, 0) })] as const;
  }),
]);

describe("live bytes of a plan", () => {
  it.each(nets)("are those of a naive count: %s", async (_, graph) => {
    const backend = await createBackend({ threads: 1, kernels: "wasm" });
    for (const fuseBatchNorm of [false, true]) {
      const plan = buildPlan(graph, {
        inputShapes: { [graph.inputs[0]!.name]: [2, 3, 16, 16] },
        features: [],
        fuseBatchNorm,
        planConvolution: (geometry) => planConvForward(geometry, backend),
        planTransposedConvolution: (geometry) => planConvBackwardData(geometry, backend),
        planByteConvolution: (geometry, largestSum) => planByteConv(geometry, backend, largestSum),
      });
      for (const [index, { liveBytes, keptBytes }] of plan.report.steps.entries()) {
        expect({ index, live: liveBytes, kept: keptBytes }).toEqual({ index, ...naiveLiveBytes(plan, index) });
      }
    }
    backend.dispose();
  });
});
