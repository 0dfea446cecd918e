import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withFeatures } from "#repvgg/exchange/backbone.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fileFolder, oracleIo, oraclePath, outputOf, random, relativeError, runOnnx } from "./support.js";

const folder = fileFolder();

async function netInForm(name: string, form: "train" | "plain") {
  const net = await loadNet(oraclePath(`${name}-train.pth`));
  return form === "train" ? net : foldNet(net).net;
}

describe.each(["tiny", "tiny-g4", "tiny-se", "tiny-plus"])("%s as ONNX, under ONNX Runtime", (name) => {
  it.each(["train", "plain"] as const)("%s form gives the stored logits", async (form) => {
    const { input, output } = await oracleIo(name);
    const net = await netInForm(name, form);
    const path = join(folder, `${name}-${form}.onnx`);
    await saveNet(net, path);
    const { logits } = await runOnnx(path, input);
    expect(logits!.dims).toEqual(output.shape);
    expect(relativeError(logits!.data, output)).toBeLessThanOrEqual(1e-4);
    // Batch and image size are open, also to images that are not square.
    const wide = random(1, [3, 3, 48, 80]);
    const { logits: other } = await runOnnx(path, wide);
    expect(relativeError(other!.data, outputOf(net.graph, wide))).toBeLessThanOrEqual(1e-5);
  });

  it("with float16 weights takes half the space and gives nearly the same", async () => {
    const { input, output } = await oracleIo(name);
    const net = await netInForm(name, "plain");
    const path = join(folder, `${name}-half.onnx`);
    await saveNet(net, path, { precision: "f16" });
    const bytes = (graph: NonNullable<Awaited<ReturnType<typeof readOnnxFile>>["graph"]>) =>
      graph.initializer.reduce((sum, { rawData }) => sum + (rawData?.length ?? 0), 0);
    await saveNet(net, join(folder, "whole.onnx"));
    const [half, whole] = await Promise.all([readOnnxFile(path), readOnnxFile(join(folder, "whole.onnx"))]);
    expect(bytes(half.graph!) / bytes(whole.graph!)).toBeLessThan(0.55);
    const { logits } = await runOnnx(path, input);
    expect(relativeError(logits!.data, output)).toBeLessThanOrEqual(5e-3);
    const back = await loadNet(path);
    expect(relativeError(outputOf(back.graph, input), logits!.data)).toBeLessThanOrEqual(1e-5);
  });

  it("with inner maps and without a head", async () => {
    const net = await netInForm(name, "plain");
    const graph = withFeatures(net.graph, ["stage2", "stage4"], { head: false });
    expect(graph.nodes.some(({ op }) => op === "Gemm")).toBe(false);
    const path = join(folder, `${name}-backbone.onnx`);
    await saveNet({ graph, source: net.source }, path);
    const input = random(2, [1, 3, 64, 96]);
    const outputs = await runOnnx(path, input);
    expect(Object.keys(outputs)).toEqual(["stage2", "stage4"]);
    const expected = evaluate(net.graph, new Map([["input", input]]), ["stage2", "stage4"]);
    for (const [key, { shape, data }] of expected) {
      expect(outputs[key]!.dims).toEqual(shape);
      expect(relativeError(outputs[key]!.data, data)).toBeLessThanOrEqual(1e-5);
    }
    expect(outputs["stage4"]!.dims.slice(2)).toEqual([2, 3]);
  });
});

it.each([7, 9, 13, 17, 22])("operator set %i runs", async (opset) => {
  const { input, output } = await oracleIo("tiny-se");
  const path = join(folder, `opset-${opset}.onnx`);
  await saveNet(await loadNet(oraclePath("tiny-se-train.pth")), path, { opset });
  expect((await readOnnxFile(path)).opsetImport).toMatchObject([{ version: opset }]);
  const { logits } = await runOnnx(path, input);
  expect(relativeError(logits!.data, output)).toBeLessThanOrEqual(1e-4);
});

it.each(["block-dbb-bn", "block-mobileone-dw", "tiny-se-train"])(
  "somebody else's %s, folded and written, gives the stored outputs",
  async (file) => {
    const { input, output } = await oracleIo(file.replace(/-(bn|train)$/, ""));
    const path = join(folder, `${file}.onnx`);
    await saveNet(foldNet(await loadNet(oraclePath(`${file}.onnx`))).net, path);
    const [result] = Object.values(await runOnnx(path, input));
    expect(relativeError(result!.data, output)).toBeLessThanOrEqual(1e-4);
  },
);

it("metadata of a model travels with its graph", async () => {
  const path = join(folder, "metadata.onnx");
  await saveNet(await loadNet(oraclePath("tiny-train.pth")), path);
  const { metadataProps } = await readOnnxFile(path);
  const metadata = new Map(metadataProps.map(({ key, value }) => [key, value!]));
  expect(JSON.parse(metadata.get("preprocessing")!)).toMatchObject({ size: [224, 224], channels: 3 });
  expect(JSON.parse(metadata.get("classNames")!)).toHaveLength(10);
});
