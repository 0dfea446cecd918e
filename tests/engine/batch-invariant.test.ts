import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fold } from "#repvgg/api/fold.js";
import type { Backend } from "#repvgg/backend/backend.js";
import { algorithmOfOne, planConvForward } from "#repvgg/backend/conv/plan.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { convGeometry } from "#repvgg/core/conv-geometry.js";
import { rngFor } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";

const nets = {
  "nano at 28, grey": repvgg("nano", { inputSize: 28, inputChannels: 1, classes: 10 }),
  "A1 at 64": repvgg("A1", { inputSize: 64, classes: 10 }),
  "A0 at 33 × 70": repvgg("A0", { inputSize: [33, 70], classes: 10 }),
  "squeeze and excite, groups": repvgg(
    { depths: [2, 2], widths: [16, 32, 64], groups: 2, squeezeExcite: { position: "after-relu", ratio: 4 } },
    { inputSize: 24, classes: 5 },
  ),
};

describe.each(["native", "wasm"] as const)("batchInvariant on %s kernels", (kernels) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend({ kernels, threads: 2 });
  });
  afterAll(() => backend.dispose());

  it.each(Object.keys(nets) as (keyof typeof nets)[])("gives %s the bits of a picture alone, both forms", (name) => {
    for (const model of [nets[name], fold(nets[name])]) {
      const graph = toGraph(model);
      const { channels, size } = model.metadata.preprocessing;
      const shape = [channels, ...size];
      const length = channels * size[0] * size[1];
      const rng = rngFor(0, "batch invariant", name);
      const data = Float32Array.from({ length: 9 * length }, () => rng.normal());
      const alone = createSession(graph, { backend, shape: [1, ...shape] });
      const together = createSession(graph, { backend, shape: [1, ...shape], batchInvariant: true });
      const expected = Array.from({ length: 9 }, (_, i) => [
        ...alone.run(data.subarray(i * length, (i + 1) * length))["logits"]!.data,
      ]).flat();
      for (const batch of [1, 2, 3, 8, 9]) {
        const { data: logits } = together.run({ shape: [batch, ...shape], data: data.subarray(0, batch * length) })[
          "logits"
        ]!;
        expect([...logits], `batch ${batch}`).toEqual(expected.slice(0, logits.length));
      }
      alone.dispose();
      together.dispose();
    }
  });
});

it("the algorithm of one is not always a batch's: else the option would do nothing", () => {
  const target = { lanes: 16, panelColumns: 32, microRows: 12, threads: 1, compactWeights: false, halfWeights: false };
  const sizes = [2, 4, 8, 14].flatMap((side) => [16, 64, 256].map((channels) => ({ side, channels })));
  const differing = sizes.filter(({ side, channels }) => {
    const layer = { height: side, width: side, inChannels: channels, outChannels: channels, kernel: 3, padding: 1 };
    const g = convGeometry({ batch: 16, ...layer });
    const ofOne = algorithmOfOne(g, "forward", target);
    expect(ofOne).toBe(planConvForward({ ...g, batch: 1 }, target).algorithm);
    return ofOne !== planConvForward(g, target).algorithm;
  });
  expect(differing).not.toEqual([]);
});
