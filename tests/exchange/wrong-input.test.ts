import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { loadModel, saveModel } from "#repvgg/api/model-files.node.js";
import { runCommand } from "#repvgg/cli/program.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { writeOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import { writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { fileFolder, oraclePath, random } from "./support.js";

const folder = fileFolder();
const file = (name: string): string => join(folder, name);

/** One clear line that matches. */
async function expectLine(work: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  expect(error?.name).toMatch(/^(User|Format|Shape|Verification)Error$/);
  expect(error!.message).not.toContain("\n");
  expect(error!.message).toMatch(pattern);
}

/** What a command prints to standard output. */
async function output(args: readonly string[]): Promise<string> {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  try {
    await runCommand([...args, "--quiet"]);
  } finally {
    spy.mockRestore();
  }
  return written.join("");
}

describe("files", () => {
  it("of an unknown kind", async () => {
    writeFileSync(file("notes.txt"), "nothing to see");
    await expectLine(
      loadNet(file("notes.txt")),
      /expected a model file: safetensors, a PyTorch checkpoint \(\.pth, \.pt\) or ONNX, received .*notes\.txt, text that begins with "nothing to see"/,
    );
    writeFileSync(file("empty.pth"), "");
    await expectLine(loadNet(file("empty.pth")), /PyTorch checkpoint .*empty\.pth/);
    writeFileSync(file("empty"), "");
    await expectLine(loadNet(file("empty")), /received .*empty, an empty file: .*fetch the file again/);
    await expectLine(loadNet(folder), /expected a file, received .*, which is not one/);
    await expectLine(loadNet(file("none.onnx")), /expected to read .*none\.onnx, received no such file or folder/);
  });

  it("that are cut short", async () => {
    for (const [name, original] of [
      ["cut.onnx", "tiny-train.onnx"],
      ["cut.pth", "tiny-train.pth"],
      ["cut.safetensors", "tiny-io.safetensors"],
    ] as const) {
      writeFileSync(file(name), readFileSync(oraclePath(original)).subarray(0, 3000));
      await expectLine(loadNet(file(name)), new RegExp(`expected .* in .*${name.replace(".", "\\.")}`));
    }
  });

  it("ONNX with external data that is missing", async () => {
    const { graph } = await loadNet(oraclePath("block-acb.onnx"));
    const proto = toOnnx(graph);
    const initializer = proto.graph!.initializer.map(({ rawData: _, ...tensor }, i) =>
      i > 0
        ? proto.graph!.initializer[i]!
        : { ...tensor, dataLocation: 1, externalData: [{ key: "location", value: "weights.bin" }] },
    );
    await writeOnnxFile(file("external.onnx"), { ...proto, graph: { ...proto.graph!, initializer } });
    await expectLine(
      loadNet(file("external.onnx")),
      /expected to read .*weights\.bin, received no such file or folder/,
    );
  });

  it("weights of something else", async () => {
    const names = ["conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight", "fc.weight", "fc.bias"];
    await writeTorchFile(file("resnet.pth"), new Map(names.map((name) => [name, f32([4])])));
    await expectLine(
      loadNet(file("resnet.pth")),
      /expected weight names of RepVGG .*MobileOne, received "conv1\.weight", "bn1\.weight", "bn1\.bias" in .*resnet\.pth: for another net, export it to ONNX/,
    );
    // A classifier's name in common is not enough.
    await writeTorchFile(file("convnext.pth"), new Map([...names, "head.fc.weight"].map((name) => [name, f32([4])])));
    await expectLine(loadNet(file("convnext.pth")), /received "conv1\.weight", .* and 3 more in .*convnext\.pth/);
  });

  it("weights that are not whole, or do not fit together", async () => {
    const { state } = await loadModel(oraclePath("tiny-train.pth"));
    const changed = async (name: string, change: (weights: Map<string, NamedArray>) => void): Promise<string> => {
      const weights = new Map(state);
      change(weights);
      await writeTorchFile(file(name), weights);
      return file(name);
    };
    const renamed = await changed("renamed.pth", (weights) => {
      weights.set("stage2.1.rbr_dense.bn.wieght", weights.get("stage2.1.rbr_dense.bn.weight")!);
      weights.delete("stage2.1.rbr_dense.bn.weight");
    });
    await expectLine(
      loadNet(renamed),
      /a file without stage2\.1\.rbr_dense\.bn\.weight, .* in .*renamed\.pth: "stage2\.1\.rbr_dense\.bn\.wieght" may be/,
    );
    const classes = await changed("classes.pth", (weights) => weights.set("linear.bias", f32([7])));
    await expectLine(
      loadNet(classes),
      /linear\.bias of shape \[10\], as the other weights say, received \[7\] in .*classes\.pth: .*ONNX/,
    );
  });

  it("a key that the checkpoint has not, or a file that has no keys", async () => {
    await expectLine(
      loadNet(oraclePath("tiny-half.pth"), { key: "ema" }),
      /one of the weights in the file: "state_dict"/,
    );
    await expectLine(loadNet(oraclePath("tiny-train.onnx"), { key: "ema" }), /a key only of a PyTorch checkpoint/);
  });

  it("asked to be a model where they are a graph", async () => {
    await expectLine(
      loadModel(oraclePath("tiny-train.onnx")),
      /a RepVGG with its weights by name, received .*an ONNX graph/,
    );
  });
});

describe("what is asked for", () => {
  const save = async (path: string, options: object) =>
    saveNet(await loadNet(oraclePath("tiny-deploy.pth")), path, options);

  it("does not fit the format", async () => {
    await expectLine(save(file("x.bin"), {}), /ends in \.safetensors, \.pth, \.pt, \.onnx, received .*x\.bin/);
    await expectLine(save(file("x.onnx"), { scheme: "timm" }), /a scheme only for \.pth and \.safetensors/);
    await expectLine(save(file("x.pth"), { opset: 17 }), /an operator set \(opset\) only for \.onnx/);
    await expectLine(save(file("x.onnx"), { opset: 99 }), /an operator set from 7 to 22, received 99/);
    const onnx = await loadNet(oraclePath("tiny-train.onnx"));
    await expectLine(saveNet(onnx, file("x.onnx"), { opset: 17 }), /operator set 13, which the file has, received 17/);
    await expectLine(saveNet(onnx, file("x.pth"), { scheme: "timm" }), /a RepVGG or MobileOne, for names of a scheme/);
    const plus = await loadNet(oraclePath("tiny-plus-deploy.pth"));
    await expectLine(saveNet(plus, file("x.pth"), { scheme: "timm" }), /have a name in the scheme timm/);
  });

  it("weights that float16 cannot hold", async () => {
    const model = repvgg("nano");
    const state = new Map(model.state).set("linear.weight", random(1, [10, 96]));
    (state.get("linear.weight")!.data as Float32Array)[5] = 1e6;
    await expectLine(
      saveModel({ ...model, state }, file("x.pth"), { precision: "f16" }),
      /numbers that f16 can hold in "linear\.weight", received 1000000/,
    );
    expect(existsSync(file("x.pth"))).toBe(false);
  });

  it("the branches of a folded net", async () => {
    await expectLine(
      output(["export", oraclePath("tiny-deploy.pth"), "-o", file("x.onnx"), "--form", "train"]),
      /a net in training form, received .*tiny-deploy\.pth, in plain form: branches cannot be got back/,
    );
    await expectLine(
      output(["export", oraclePath("tiny-deploy.pth"), "-o", file("x.pth"), "--no-head"]),
      /--features and --no-head only for \.onnx/,
    );
  });
});

describe("comparisons", () => {
  it("that fail: exit code 2 and nothing is written", async () => {
    const net = await loadNet(oraclePath("tiny-train.pth"));
    await expect(foldVerified(net, { precision: "f16", threshold: 1e-9, inputSize: [64, 64] })).rejects.toMatchObject({
      name: "VerificationError",
      message: expect.stringMatching(/to give the same outputs, received a relative error of .*: nothing was written/),
    });
  });

  it("of nets with an operator that nobody here can run are made region by region", async () => {
    const builder = new GraphBuilder();
    builder.conv("y", "x", random(1, [4, 4, 1, 1]));
    builder.conv("z", "y", random(2, [4, 4, 1, 1]));
    builder.add("Bernoulli", "w", ["z"]);
    const graph = builder.graph("odd", [valueInfo("x", [1, 4, 8, 8])], [valueInfo("w", [1, 4, 8, 8])]);
    await writeOnnxFile(file("odd.onnx"), toOnnx(graph));
    const text = await output(["fold", file("odd.onnx"), "-o", file("odd-folded.onnx")]);
    expect(text).toMatch(
      /3 nodes became 2.*\n.*\nproven region by region in float64: 1 region, .*everything else is unchanged/,
    );
    expect(text).toMatch(/\nnot run as a whole: .*Bernoulli/);
    expect((await loadNet(file("odd-folded.onnx"))).graph.nodes.map(({ op }) => op)).toEqual(["Conv", "Bernoulli"]);
    expect(await output(["fold", file("odd.onnx"), "-o", file("odd-folded.onnx"), "--no-verify"])).toContain(
      "3 nodes became 2",
    );
  });
});

describe("commands on files of any kind", () => {
  it("fold says what it did, with --report region by region and refusal by refusal", async () => {
    const source = oraclePath("tiny-se-train.onnx");
    const short = await output(["fold", source, "-o", file("se.onnx")]);
    expect(short).toMatch(
      /se\.onnx: 144 nodes became \d+, .* parameters became .*\n.*regions? folded into one convolution each.*\nsame outputs on 4 random inputs/,
    );
    const long = await output(["fold", source, "-o", file("se.onnx"), "--report"]);
    expect(long.match(/^folded \d+ nodes into Conv/gm)!.length).toBeGreaterThanOrEqual(9);
    const dear = new GraphBuilder(); // 1×1 that widens, then depthwise 3×3: one convolution would cost more than twice
    dear.conv("y", "x", random(1, [32, 4, 1, 1]));
    dear.conv("z", "y", random(2, [32, 1, 3, 3]), { groups: 32 });
    const graph = dear.graph("dear", [valueInfo("x", [1, 4, 8, 8])], [valueInfo("z", [1, 32, 6, 6])]);
    await writeOnnxFile(file("dear.onnx"), toOnnx(graph));
    const kept = await output(["fold", file("dear.onnx"), "-o", file("dear-folded.onnx"), "--report"]);
    expect(kept).toMatch(
      /kept Conv "z": one convolution from "x" would cost 2\.23 × the multiply-accumulates \(more than 1\)/,
    );
    expect(await output(["fold", file("dear.onnx"), "-o", file("dear-folded.onnx"), "--max-cost", "3"])).toContain(
      "2 nodes became 1",
    );
  });

  it("verify compares a checkpoint with a graph", async () => {
    const text = await output(["verify", oraclePath("tiny-train.pth"), oraclePath("tiny-deploy.onnx")]);
    expect(text).toMatch(/64 random inputs: max \|Δlogit\| \S+, relative \S+, top-1 differs on 0/);
    const own = await output(["verify", oraclePath("block-acb-bn.onnx")]);
    expect(own).toContain("64 random inputs");
  });

  it("info describes checkpoints and graphs", async () => {
    const checkpoint = JSON.parse(await output(["info", oraclePath("tiny-g4-train.pth"), "--json"]));
    expect(checkpoint).toMatchObject({ form: "train", source: { format: "torch", scheme: "official" } });
    const graph = JSON.parse(await output(["info", oraclePath("tiny-deploy.onnx"), "--json"]));
    expect(graph).toMatchObject({ nodes: 28, operators: { Conv: 9, Relu: 9 }, source: { format: "onnx" } });
    expect(await output(["info", oraclePath("block-dbb.onnx")])).toContain("x [n, 16, 12, 12] → y [n, ");
  });

  it("export takes form, names, precision and features together", async () => {
    const source = oraclePath("tiny-train.pth");
    await output([
      "export",
      source,
      "-o",
      file("timm.pth"),
      "--form",
      "plain",
      "--scheme",
      "timm",
      "--precision",
      "f16",
    ]);
    const net = await loadNet(file("timm.pth"));
    expect(net.source).toMatchObject({ scheme: "timm", form: "plain" });
    await output(["export", source, "-o", file("backbone.onnx"), "--no-head"]);
    expect((await loadNet(file("backbone.onnx"))).graph.outputs.map(({ name }) => name)).toEqual(["stage4"]);
    await output(["export", source, "-o", file("both.onnx"), "--features", "stage2, stage3"]);
    expect((await loadNet(file("both.onnx"))).graph.outputs.map(({ name }) => name)).toEqual([
      "logits",
      "stage2",
      "stage3",
    ]);
  });
});
