import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { verify } from "#repvgg/api/verify.node.js";
import { runCommand } from "#repvgg/cli/program.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { valueInfo } from "#repvgg/graph/build.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { IncomparableError } from "#repvgg/verify/incomparable.js";
import { fileFolder, oraclePath } from "./support.js";

const folder = fileFolder();
const shape = { widths: [4, 4, 4, 4, 8], depths: [1, 1, 1, 1] } as const;

async function saved(name: string, options: object = {}, size?: readonly [number, number]): Promise<string> {
  const path = join(folder, name);
  const net = netOf(repvgg("A0", { ...shape, classes: 10, inputSize: [32, 32], ...options }));
  const inputs = size ? [valueInfo("input", [1, 3, ...size])] : net.graph.inputs;
  await saveNet(size ? { graph: { ...net.graph, inputs }, source: net.source } : net, path);
  return path;
}

/** The command's standard output, and its error. */
async function run(args: readonly string[]): Promise<{ text: string; error: Error | undefined }> {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  try {
    await runCommand(["verify", ...args, "--quiet"]);
    return { text: written.join(""), error: undefined };
  } catch (error) {
    return { text: written.join(""), error: error as Error };
  } finally {
    spy.mockRestore();
  }
}

describe("verify on nets that cannot be compared", () => {
  it("says in one line what each has, why, and what to do; exit code 2", async () => {
    const [ten, seven] = [await saved("ten.safetensors"), await saved("seven.onnx", { classes: 7 })];
    const { text, error } = await run([ten, seven]);
    expect(text).toBe("");
    expect(error?.name).toBe("VerificationError"); // exit code 2
    expect(error!.message).toBe(
      "expected two nets that take the same inputs and give the same outputs, received class-count at logits: the classifier gives 10 classes in the reference and 7 in the candidate; all 5 layers before it have the same shapes: a head of other classes: compare models of the same classes, or both without their heads (repvgg export --no-head)",
    );
  });

  it("gives findings in --json, and no numbers", async () => {
    const [colour, grey] = [await saved("colour.pth"), await saved("grey.pth", { inputChannels: 1 })];
    const { text, error } = await run([colour, grey, "--json"]);
    expect(error).toBeInstanceOf(IncomparableError);
    expect(JSON.parse(text)).toMatchObject({
      ...{ agree: false, samples: 0, outputs: null, values: [], firstParted: null, worstSample: null },
      findings: [{ cause: "input-channels", where: "the input", blocks: [] }],
    });
  });

  it("of fixed sizes that differ; with one size open, that of the other is taken", async () => {
    const [small, large] = [await saved("small.onnx", {}, [32, 32]), await saved("large.onnx", {}, [64, 48])];
    expect((await run([small, large])).error?.message).toMatch(/received input-size at the input: .*32×32.*64×48/);
    expect((await run([await saved("open.onnx"), large])).error).toBeUndefined();
  });

  it("of other kinds altogether: a detector's block and a classifier", async () => {
    const { error } = await run([oraclePath("tiny-train.onnx"), oraclePath("block-dbb.onnx")]);
    expect(error?.message).toMatch(/input-channels at the input: the reference reads 3 channels .* the candidate 16/);
  });

  it("of other classes where the graph does not state its outputs' shapes", async () => {
    const anonymous = async (classes: number) => {
      const net = netOf(repvgg("A0", { ...shape, classes, inputSize: [32, 32] }));
      const outputs = net.graph.outputs.map((output) => ({ ...output, shape: undefined }));
      return { graph: { ...net.graph, outputs }, source: net.source };
    };
    await expect(verify(await anonymous(10), await anonymous(7))).rejects.toMatchObject({
      findings: [{ cause: "class-count" }],
    });
  });
});

describe("verify on nets that prepare pictures differently", () => {
  it("compares them on one input and remarks on it", async () => {
    const [a, b] = [await saved("a.safetensors"), await saved("b.safetensors", { inputSize: [64, 64] })];
    const { text, error } = await run([a, b]);
    expect(error).toBeUndefined();
    expect(text).toMatch(
      /! preprocessing at the input: the models prepare pictures differently: size \[32, 32\] in the reference, \[64, 64\] in the candidate/,
    );
    expect(JSON.parse((await run([a, b, "--json"])).text)).toMatchObject({
      agree: true,
      findings: [{ cause: "preprocessing" }],
    });
    expect(JSON.parse((await run([a, a, "--json"])).text).findings).toEqual([]);
  });
});

describe("inputs whose channels the graph leaves open", () => {
  it("have those of the convolution that reads them", async () => {
    const net = await loadNet(oraclePath("tiny-deploy.pth"));
    const open = { ...net.graph, inputs: [valueInfo("input", ["n", "c", "h", "w"])] };
    const verification = await verify({ graph: open, source: net.source }, { graph: open, source: net.source });
    expect(verification).toMatchObject({ agree: true, samples: 64 });
  });
});

describe("other groups", () => {
  it("are named where the weights were trained with them", async () => {
    const groups = { 1: 2 };
    const [one, two] = [repvgg("A0", shape), repvgg("A0", { ...shape, groups })];
    const state = new Map(two.state);
    for (const [name, array] of one.state)
      if (`${array.shape}` === `${two.state.get(name)?.shape}`) state.set(name, array);
    await saveNet(netOf(one), join(folder, "one.pth"));
    await saveNet(netOf({ ...two, state }), join(folder, "two.pth"));
    const { text } = await run([join(folder, "one.pth"), join(folder, "two.pth"), "--images", "2"]);
    expect(text).toMatch(
      /✗ wrong-groups at stage1\.0: the 1 of 6 layers that differ are those with other groups \(1 and 2/,
    );
  });
});
