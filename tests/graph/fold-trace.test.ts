import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { elementCount } from "#repvgg/core/named-arrays.js";
import { refusalKinds } from "#repvgg/fold/refusals.js";
import { rules } from "#repvgg/fold/rules.js";
import type { TracedMap } from "#repvgg/fold/trace.js";
import { readOnnx } from "#repvgg/formats/onnx/model.js";
import { analyze } from "#repvgg/graph/analyze/analyze.js";
import { fold } from "#repvgg/graph/fold.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { Dimension } from "#repvgg/graph/graph.js";
import { exports } from "./third-party.js";

const seen = { maps: 0, strided: 0, spread: 0, refusals: 0 };

describe("the trace of other people's nets", () => {
  it.each(exports.map((each) => [each.name, each] as const))("%s", (_, { path, inputs }) => {
    const { graph } = fromOnnx(readOnnx(readFileSync(path)));
    const { report, plan } = fold(graph, { deferred: true });
    const sized = plan.simplified.inputs.map((info) => ({
      ...info,
      shape: inputs.get(info.name)?.shape ?? info.shape,
    }));
    const { shapes } = analyze({ ...plan.simplified, inputs: sized });
    for (const { nodes, source, output, steps } of report.regions) {
      expect(steps.map(({ node }) => node)).toEqual(nodes);
      expect(steps.at(-1)!.maps.map(({ value }) => value)).toContain(output);
      for (const { maps, rule } of steps) {
        // Of several writes over one border, only the last makes it uniform.
        if (rule !== "border-write") expect(maps.length).toBeGreaterThan(0);
        for (const map of maps) expectToFit(map, shapes.get(source), shapes.get(map.value));
      }
    }
    for (const { kind, rule, remedy } of report.refusals) {
      const { ofRegion, remedy: known } = refusalKinds[kind];
      if (!ofRegion) expect(rules.find(({ id }) => id === rule)!.refuses).toContain(kind);
      expect(remedy).toBe(known);
      seen.refusals++;
    }
  });

  afterAll(() => {
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });
});

/** A value has the shape that its map gives by definition, where all sizes are known. */
function expectToFit(map: TracedMap, source: readonly Dimension[] = [], value: readonly Dimension[] = []): void {
  const { kernelSize, stride, pads, dilation, upsampling, permutation, outChannels, ofPixels } = map;
  const known = [...source, ...value].every((size) => typeof size === "number");
  if (ofPixels && known) expect(elementCount(value as number[]) % outChannels, map.value).toBe(0);
  if (permutation || ofPixels || kernelSize.length === 0 || !known) return;
  const sizes = kernelSize.map((kernel, axis) => {
    const positions = (Number(source[axis + 2]) - 1) * upsampling[axis]! + 1;
    const padded = positions + pads[axis]! + pads[axis + kernelSize.length]!;
    return Math.floor((padded - (kernel - 1) * dilation[axis]! - 1) / stride[axis]!) + 1;
  });
  expect(value, map.value).toEqual([source[0], outChannels, ...sizes]);
  seen.maps++;
  if (stride.some((step) => step > 1)) seen.strided++;
  if (upsampling.some((step) => step > 1)) seen.spread++;
}
