import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { verify } from "#repvgg/api/verify.node.js";
import {
  bfloat16ToNumber,
  type NamedArray,
  type NamedArrays,
  numberToBfloat16,
  toFloat32,
} from "#repvgg/core/named-arrays.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { fromOfficial } from "#repvgg/exchange/names/schemes.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readSafetensorsFile, writeSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { readTorchFile, writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { smallMobileOne } from "./mobileone-weights.js";
import { fileFolder, operatorCounts, oracleIo, oraclePath, outputOf, random, relativeError } from "./support.js";

const folder = fileFolder();

const brainBits = (array: NamedArray): Uint16Array => Uint16Array.from(toFloat32(array), numberToBfloat16);

/** All floating-point weights as bfloat16, as `model.bfloat16()` makes them. */
const brained = (weights: NamedArrays): Map<string, NamedArray> =>
  new Map(
    [...weights].map(([name, array]): [string, NamedArray] =>
      array.dtype === "f32" ? [name, { dtype: "bf16", shape: array.shape, data: brainBits(array) }] : [name, array],
    ),
  );

const formats = [
  ["pth", writeTorchFile],
  ["safetensors", writeSafetensorsFile],
] as const;

describe.each(formats)("a checkpoint in bfloat16, .%s", (ending, write) => {
  it("loads as what its numbers are, folds and verifies", async () => {
    const { arrays } = await readTorchFile(oraclePath("tiny-train.pth"));
    const path = join(folder, `tiny.${ending}`);
    await write(path, brained(arrays));
    const stored = (ending === "pth" ? await readTorchFile(path) : await readSafetensorsFile(path)).arrays;
    expect(stored.get("stage0.rbr_dense.conv.weight")!.dtype).toBe("bf16");

    const net = await loadNet(path);
    expect(net.source.notes).toContain("16-bit weights were widened to float32");
    for (const [name, array] of arrays) {
      if (array.dtype !== "f32") continue;
      expect(net.model!.state.get(name)!.data).toEqual(Float32Array.from(brainBits(array), bfloat16ToNumber));
    }
    const { net: folded, verification } = await foldVerified(net);
    expect(verification).toMatchObject({ agree: true });
    expect(operatorCounts(folded)).toMatchObject({ Conv: 9, Gemm: 1 });
    await saveNet(folded, join(folder, `plain.${ending}`));
    expect(await verify(net, await loadNet(join(folder, `plain.${ending}`)), { images: 4 })).toMatchObject({
      agree: true,
    });

    // Three digits of each weight: near the float32 net's outputs, but not within rounding of them.
    const { input, output } = await oracleIo("tiny");
    const error = relativeError(outputOf(toGraph(folded.model!), input), output);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(5e-2);
  });

  it("also MobileOne's, by timm's names", async () => {
    const path = join(folder, `mobileone.${ending}`);
    await write(path, fromOfficial(brained(smallMobileOne()), "mobileone-timm"));
    const net = await loadNet(path);
    const { net: folded, verification } = await foldVerified(net);
    expect(verification.agree).toBe(true);
    const input = random(1, [1, 3, 32, 32]);
    expect(relativeError(outputOf(folded.graph, input), outputOf(net.graph, input))).toBeLessThanOrEqual(1e-5);
  });
});
