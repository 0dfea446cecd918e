import { afterAll, describe, expect, it } from "vitest";
import { profileGraphs } from "#repvgg/analysis/profile/profile.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { quantizedLayers } from "#repvgg/engine/quantized-layers.js";
import { ints } from "#repvgg/graph/attributes.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { diagnose } from "#repvgg/verify/diagnose.js";
import { verifyModels } from "#repvgg/verify/verify-models.js";
import { randomPicture } from "./compare.js";

const backend = await createBackend({ threads: 1, kernels: "wasm" });
afterAll(() => backend.dispose());

const shape = [1, 8, 9, 9];
const zeros = [128, 0, 0];

/** Two convolutions in real numbers, or the same with everything quantized; `coarse`: the second one's weights by so few steps. */
function net(quantized: boolean, coarse = 127): Graph {
  const b = new GraphBuilder();
  const faked = (value: string, scale: number, zero: number): string => {
    if (!quantized) return value;
    const how = [
      b.constant(`${value}.s`, f32([], Float32Array.of(scale))),
      b.constant(`${value}.z`, { dtype: "u8", shape: [], data: Uint8Array.of(zero) } as NamedArray),
    ];
    b.add("QuantizeLinear", `${value}.q`, [value, ...how], {}, 13);
    return b.add("DequantizeLinear", `${value}.d`, [`${value}.q`, ...how], {}, 13);
  };
  let x = faked("x", 0.03, zeros[0]!);
  for (const [i, steps] of [127, coarse].entries()) {
    const rng = rngFor(4, `weights ${i}`);
    const real = Float32Array.from({ length: 576 }, () => 0.12 * rng.normal());
    const scale = real.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / steps;
    const data = Int8Array.from(real, (value) => Math.round(value / scale));
    const weight = quantized
      ? b.add("DequantizeLinear", `w${i}`, [
          b.constant(`w${i}.q`, { dtype: "i8", shape: [8, 8, 3, 3], data }),
          b.constant(`w${i}.s`, f32([], Float32Array.of(scale))),
        ])
      : b.constant(`w${i}`, f32([8, 8, 3, 3], real));
    const conv = b.add("Conv", `conv${i}`, [x, weight], { pads: ints([1, 1, 1, 1]) }, 13);
    x = faked(b.add("Relu", `relu${i}`, [conv], {}, 13), 0.02, zeros[i + 1]!);
  }
  return b.graph("net", [valueInfo("x", shape)], [{ name: x, dtype: "f32", shape: undefined }]);
}

describe("a quantized net", () => {
  it("is compared with the real one value by value, and the finding names the layer that is furthest off", async () => {
    const [real, integers] = [net(false), net(true, 3)];
    const renamed = { ...real, outputs: [{ name: "relu1", dtype: "f32", shape: undefined }] as Graph["outputs"] };
    const picture = randomPicture(1, shape);
    const inputs = [{ shape, data: picture.data }];
    const verification = await verifyModels(renamed, integers, inputs, { backend, values: ["conv0", "conv1"] });
    expect(verification.verdict).toBe("different");
    const [first, second] = verification.values;
    expect(second!.relative).toBeGreaterThan(4 * first!.relative);
    const [finding, ...others] = diagnose(renamed, integers, verification);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: "quantization", where: "conv1" });
    expect(finding!.evidence).toMatch(
      /the candidate computes in 8 bits .* "conv1" is furthest off \(relative 0\.\d+\)/,
    );
  });

  it("is folded by nobody, and why stands in the report", () => {
    const { graph, report } = fold(net(true));
    expect(report.regions).toEqual([]);
    expect(report.refusals.map(({ kind, reason }) => [kind, reason])).toEqual([
      ["quantized", "its weights are quantized"],
      ["quantized", "its weights are quantized"],
    ]);
    expect(graph.nodes.length).toBe(net(true).nodes.length);
  });

  it("is profiled layer by layer, with the multiplications of its algorithms", () => {
    const form = { form: "as it is", graph: net(true), layerOf: (name: string) => name, fuseBatchNorm: true };
    const { forms } = profileGraphs([form], { backend, shapes: { x: shape }, repeats: 1 });
    const { steps, total } = forms[0]!;
    expect(steps.filter(({ algorithm }) => algorithm.startsWith("u8_")).map(({ op }) => op)).toEqual([
      "QuantizeLinear",
      "Conv+Relu",
      "Conv+Relu",
      "DequantizeLinear",
    ]);
    expect(total.multiplications).toBeGreaterThan(0);
    expect(total.multiplications).toBeLessThanOrEqual(total.macs);
  });

  it("is told how much of it runs in integers; another net is not", () => {
    expect(quantizedLayers(net(true), { x: shape })).toEqual({ inIntegers: 2, inFloat: [] });
    expect(quantizedLayers(net(false), { x: shape })).toBeUndefined();
  });
});
