import { describe, expect, it, vi } from "vitest";
import { loadModel, saveModel } from "#repvgg/api/model-files.node.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { runCommand } from "#repvgg/cli/program.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readTorchFile, writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import type { Architecture } from "#repvgg/nn/architecture.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { Tape } from "#repvgg/tensor/tape.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { expectRight, file, fixture, message, oracle } from "./checkpoint-oracle.js";
import { outputOf, relativeError, runOnnx } from "./support.js";

describe("BatchNorm's ε", () => {
  it("is read from pickled modules, each its own, and so are strides", async () => {
    const one = await expectRight("cases/eps-module.pt");
    expect(one.model!.architecture.batchNormEpsilon).toBe(1e-3);
    expect(one.source.notes).toContain("ε of every BatchNorm: 0.001, as the pickled modules say");
    const many = await expectRight("module-eps-strides.pt");
    expect(many.model!.architecture).toMatchObject({
      strides: [1, 2],
      batchNormEpsilon: { "stage0.rbr_dense.bn": 0.01, "stage1.1.rbr_identity": expect.closeTo(0.07, 12) },
    });
    expect(many.source.notes.join("\n")).toMatch(
      /strides 1, 2 .*, as the pickled modules say[\s\S]*ε of BatchNorm by module/,
    );
    const half = await expectRight("module-half-ema.pt");
    expect(half.model!.architecture.batchNormEpsilon).toBe(1e-3);
    expect(half.source).toMatchObject({ chosen: "model" });
    expect((await expectRight("mobileone-module-eps.pt")).source.notes).toContain(
      "ε of every BatchNorm: 0.001, as the pickled modules say",
    );
  });

  it("is what is asked for, else PyTorch's default, and that is said", async () => {
    const net = await expectRight("cases/eps-state-dict.pt", { batchNormEpsilon: 1e-3 });
    expect(net.source.notes).toContain("ε of every BatchNorm: 0.001, as asked for");
    const assumed = await loadNet(fixture("cases/eps-state-dict.pt"));
    expect(assumed.model!.architecture.batchNormEpsilon).toBeUndefined();
    expect(assumed.source.notes.join()).toContain("the weights do not say BatchNorm's ε: assumed 1e-5");
    const against = await loadNet(fixture("cases/eps-module.pt"), { batchNormEpsilon: 0.5 });
    expect(against.source.notes.join()).toContain("0.5, as asked for, against the file, whose modules say 0.001");
    expect(await message(loadNet(fixture("cases/eps-module.pt"), { batchNormEpsilon: -1 }))).toMatch(
      /a number ≥ 0, received -1/,
    );
    const plain = await loadNet(fixture("cases/eps-module.pt")).then((whole) => foldNet(whole).net);
    await saveNet(plain, file("plain.pth"));
    expect((await loadNet(file("plain.pth"))).source.notes.join()).not.toContain("ε"); // no BatchNorm, nothing to say
  });

  it("that is asked for of a file that says it, or has none, is not used, and that is said", async () => {
    const { model, graph } = await loadNet(fixture("cases/eps-module.pt"));
    await saveModel(model!, file("own.safetensors"));
    for (const path of [file("own.safetensors"), fixture("cases/eps-net.onnx")]) {
      const net = await loadNet(path, { batchNormEpsilon: 0.25 });
      expect(net.source.notes.at(-1)).toBe("the file itself says BatchNorm's ε: the one that is asked for is not used");
      const { input, output } = oracle("cases/eps-module.pt");
      expect(relativeError(outputOf(net.graph, input), output)).toBeLessThan(1e-5);
    }
    const { net: plain } = foldNet(await loadNet(fixture("cases/eps-module.pt")));
    await saveNet(plain, file("folded.pth"));
    const folded = await loadNet(file("folded.pth"), { batchNormEpsilon: 0.25 });
    expect(folded.source.notes).toContain("no BatchNorm is left in the net: its ε is not used");
    expect(graph.nodes.length).toBeGreaterThan(folded.graph.nodes.length);
  });

  it("of families that have 1e-3 is taken from names that only they have", async () => {
    const { arrays } = await readTorchFile(fixture("cases/eps-state-dict.pt"));
    await writeTorchFile(file("yolo.pt"), new Map([...arrays, ["detect.stems.0.conv.weight", f32([2, 4, 1, 1])]]));
    const { source, model } = await loadNet(file("yolo.pt"), { rest: "drop" });
    expect(model!.architecture.batchNormEpsilon).toBe(1e-3);
    expect(source.notes.join()).toContain("0.001 for all, as YOLOv6 has it (by detect.stems.0.conv.weight)");
  });

  it("survives our files, other people's names, ONNX, the tape and the fold", async () => {
    for (const name of ["cases/eps-module.pt", "module-eps-strides.pt"]) {
      const { input, output } = oracle(name);
      const net = await loadNet(fixture(name));
      const { strides } = net.model!.architecture;
      await saveModel(net.model!, file("eps.safetensors"));
      expect(await loadModel(file("eps.safetensors"))).toEqual(net.model);
      await saveNet(net, file("eps.onnx"));
      const [first] = Object.values(await runOnnx(file("eps.onnx"), input));
      expect(relativeError(first!.data, output)).toBeLessThan(1e-4);
      await saveNet(net, file("timm.safetensors"), { scheme: "timm" });
      const timm = await loadNet(file("timm.safetensors"), { strides });
      expect(timm.source.notes.join()).toContain("as the file's metadata says");
      expect(relativeError(outputOf(timm.graph, input), output)).toBeLessThan(1e-5);
      const backend = await createBackend({ threads: 1 });
      const tape = new Tape(backend);
      const network = createNetwork(backend, net.model!);
      const [, channels, height, width] = input.shape as [number, number, number, number];
      const pixels = Float32Array.from(input.data as Float32Array, (_, i) => {
        const [pixel, c] = [Math.floor(i / channels), i % channels];
        return (input.data as Float32Array)[c * height * width + pixel]!;
      });
      const x = tape.constant([1, height, width, channels], pixels);
      const logits = network.forward(tape, x, { training: false }).logits.toArray();
      expect(relativeError(logits, output)).toBeLessThan(1e-4);
      expect({ ...net.model, state: network.state() }).toMatchObject({ architecture: net.model!.architecture });
      network.dispose();
      tape.dispose();
      backend.dispose();
    }
  });

  it("that a .pth cannot hold is said by export, also in --json", async () => {
    const written: string[] = [];
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    try {
      await runCommand(["export", fixture("cases/eps-module.pt"), "-o", file("lost.pth"), "--json"]);
    } finally {
      spy.mockRestore();
    }
    const facts = JSON.parse(written.join(""));
    expect(facts.warnings.join()).toContain(
      "a .pth of weights cannot hold BatchNorm's ε (0.001 here): it is in the .json beside it; without that, read it with --bn-eps 0.001",
    );
    expect(facts.source.notes.join()).toContain("ε of every BatchNorm: 0.001");
  });
});

describe("folded convolutions beside branches", () => {
  it("do not count: noise is said to be noise, equal ones to be equal", async () => {
    const noise = await expectRight("cases/reparam-noise.pt");
    expect(noise.source.form).toBe("train");
    expect(noise.source.notes.join()).toMatch(
      /4 of 4 hold other numbers than the branches fold to .* the branches are used/,
    );
    const equal = await expectRight("reparam-equal.pt");
    expect(equal.source.notes.join()).toMatch(
      /what the branches fold to \(relative difference (0\.0|\d\.\de-\d)\); the branches are used/,
    );
  });

  it("nor do they in MobileOne", async () => {
    const { input, output } = oracle("mobileone-module-eps.pt");
    const { arrays } = await readTorchFile(fixture("mobileone-module-eps.pt"));
    const noisy = new Map(arrays);
    for (const [path, shape] of [
      ["stage0", [4, 3, 3, 3]],
      ["stage1.0", [4, 1, 3, 3]],
    ] as const) {
      noisy.set(`${path}.reparam_conv.weight`, f32(shape)).set(`${path}.reparam_conv.bias`, f32([4]));
    }
    await writeTorchFile(file("mobile.pth"), noisy);
    const net = await loadNet(file("mobile.pth"), { batchNormEpsilon: 1e-3, strides: [2, 1] });
    expect(net.source).toMatchObject({ form: "train", scheme: "mobileone" });
    expect(relativeError(outputOf(net.graph, input), output)).toBeLessThan(1e-5);
    expect(net.source.notes.join()).toMatch(/2 of 2 hold other numbers/);
  });
});

describe("nets that are not the same in all blocks", () => {
  it("half-folded, pruned, with a branch missing, without γ and β", async () => {
    const half = await expectRight("cases/half-folded.pt");
    expect(half.model!.architecture.layers).toEqual({ 2: { folded: true } });
    expect(half.source.notes).toContain("stage1.1: folded already, the other blocks have their branches");
    const pruned = await expectRight("cases/pruned.pt");
    expect(pruned.model!.architecture).toMatchObject({ widths: [4, 5, 6], layers: { 1: { width: 7 } } });
    const missing = await expectRight("branch-missing.pt");
    expect(missing.model!.architecture.layers).toEqual({ 2: { pointwise: false } });
    expect((await expectRight("no-affine.pt")).source.notes.join()).toContain("neither γ nor β");
  });

  it("is said of those that it is true of, and only of them", async () => {
    const unusual = async (name: string): Promise<string[]> =>
      (await loadNet(fixture(name))).source.notes.filter(
        (note) => !/strides|ε|pictures|weights taken|other weights/.test(note),
      );
    expect(await unusual("cases/half-folded.pt")).toEqual([
      "stage1.1: folded already, the other blocks have their branches",
    ]);
    expect(await unusual("cases/pruned.pt")).toEqual(["stage1.0: other widths than the end of the stage"]);
    expect(await unusual("branch-missing.pt")).toEqual(["stage1.1: no 1×1 branch, unlike other blocks"]);
    expect(await unusual("module-qarepvgg-no-identity.pt")).toEqual([
      "stage1.1: no identity branch, unlike other blocks",
    ]);
    expect(await unusual("cases/qarepvgg.pth")).toEqual([
      "identity branches have no weights: assumed in the 1 blocks whose stride and channels allow one",
    ]);
    expect(await unusual("cases/qarepvgg-v1.pth")).toEqual([]);
    expect(await unusual("cases/eps-module.pt")).toEqual([]);
    expect(await unusual("acb.pt")).toEqual([]);
  });

  it("and through our own model file", async () => {
    for (const name of ["cases/half-folded.pt", "cases/pruned.pt", "branch-missing.pt"]) {
      const model = await loadModel(fixture(name));
      await saveModel(model, file("exception.safetensors"));
      expect(await loadModel(file("exception.safetensors"))).toEqual(model);
      const { verification } = await foldVerified(await loadNet(fixture(name)), { inputSize: [32, 32] });
      expect(verification.agree).toBe(true);
    }
  });

  it("MobileOne half-folded", async () => {
    const name = "mobileone-module-eps.pt";
    const { input, output } = oracle(name);
    const net = await loadNet(fixture(name));
    const plain = foldNet(net).net.graph.initializers;
    const { arrays } = await readTorchFile(fixture(name));
    const mixed = new Map([...arrays].filter(([key]) => !key.startsWith("stage1.0.")));
    for (const part of ["weight", "bias"])
      mixed.set(`stage1.0.reparam_conv.${part}`, plain.get(`stage1.0.reparam_conv.${part}`)!);
    await writeTorchFile(file("mobile-half.pth"), mixed);
    // Its stride 1 can no longer be seen: the skip branch that showed it is folded.
    const half = await loadNet(file("mobile-half.pth"), { batchNormEpsilon: 1e-3, strides: [2, 1] });
    expect(half.source.notes.join()).toContain("stage1.0: folded already");
    expect(relativeError(outputOf(half.graph, input), output)).toBeLessThan(1e-5);
    const assumed = await loadNet(file("mobile-half.pth"));
    expect(assumed.source.notes.join()).toContain(
      "weights do not show strides: assumed 2, 2 (first block of each stage)",
    );
  });
});

describe("blocks of other papers", () => {
  it.each([
    ["cases/qarepvgg-v1.pth", "qarepvgg-v1"],
    ["cases/qarepvgg.pth", "qarepvgg"],
    ["module-qarepvgg-no-identity.pt", "qarepvgg"],
    ["acb.pt", "acb"],
    ["repopt-target.pt", "repvgg"],
    ["repopt-repvgg.pt", "repvgg"],
  ])("%s is made of %s blocks", async (name, kind) => {
    const net = await expectRight(name);
    expect(net.model!.architecture.block.kind).toBe(kind);
  });

  it("QARepVGG goes back into a .pth in training form, and is read as the same again", async () => {
    for (const name of ["cases/qarepvgg-v1.pth", "cases/qarepvgg.pth"]) {
      const model = await loadModel(fixture(name));
      await saveModel(model, file("qa.pth"));
      expect(await loadModel(file("qa.pth"))).toEqual(model);
      const { arrays } = await readTorchFile(fixture(name));
      expect([...(await readTorchFile(file("qa.pth"))).arrays.keys()].sort()).toEqual([...arrays.keys()].sort());
    }
  });

  it.each<[string, string[], RegExp]>([
    [
      "a BatchNorm behind the folded convolution",
      ["stage1.0.bn.weight", "stage1.0.bn.running_var"],
      /a BatchNorm behind the sum/,
    ],
    ["PReLU", ["stage1.0.nonlinearity.weight"], /a PReLU/],
    ["mmpretrain's ppf", ["ppf.conv1.conv.weight"], /pyramid pooling \(add_ppf\)/],
    ["a factor", ["stage1.1.alpha"], /stage1\.1\.alpha .*super-gradients/],
    ["a DBB", ["stage1.0.dbb_origin.conv.weight"], /a Diverse Branch Block/],
    ["scales", ["stage1.0.scale_conv.weight"], /CSLA/],
    ["a bias before BatchNorm", ["stage1.0.rbr_dense.conv.bias"], /a convolution with bias/],
    [
      "any other weight",
      ["stage1.0.gate.weight"],
      /stage1\.0\.gate\.weight in .*: a block that has them computes something else/,
    ],
  ])("with %s are refused, with the reason and the way", async (_, names, reason) => {
    const { arrays } = await readTorchFile(fixture("cases/half-folded.pt"));
    const plain = foldNet(await loadNet(fixture("cases/half-folded.pt"))).net.model!.state;
    for (const weights of names[0]!.includes("bn.") ? [plain] : [arrays]) {
      await writeTorchFile(file("more.pth"), new Map([...weights, ...names.map((n) => [n, f32([4])] as const)]));
      const text = await message(loadNet(file("more.pth")));
      expect(text).toMatch(reason);
      expect(text).toContain("ONNX");
      if (!names[0]!.startsWith("ppf"))
        expect(await message(loadNet(file("more.pth"), { rest: "drop" }))).toMatch(reason);
    }
  });

  it.each([
    ["backbone.ERBlock_2.0.rbr_dense.conv.weight", /YOLOv6/],
    ["backbone.stem.branch_3x3.bn.weight", /super-gradients, as in YOLO-NAS/],
    ["stages.0.blocks.0.post_bn.weight", /super-gradients, as in YOLO-NAS/],
    ["layer1.0.conv1.dbb_origin.conv.weight", /Diverse Branch Blocks/],
    ["model.2.m.0.cv1.conv.weight", /a YOLO of Ultralytics/],
    ["stages.0.blocks.1.large_kernel.lk_origin.conv.weight", /RepLKNet/],
    ["features.0.weight", /received "features\.0\.weight" in/],
  ])("a net with %s is called by its kind", async (name, kind) => {
    await writeTorchFile(file("family.pth"), new Map([[name, f32([4])]]));
    const text = await message(loadNet(file("family.pth")));
    expect(text).toMatch(kind);
    expect(text).toContain("for another net, export it to ONNX");
  });

  it.each([
    ["module-silu.pt", /ReLU behind stage0, received SiLU \(module nonlinearity\), as the pickled modules say .*ONNX/],
    ["module-no-relu.pt", /ReLU behind stage0, received Identity \(module nonlinearity\)/],
    [
      "module-maxpool.pt",
      /nothing but blocks, .* received MaxPool2d \(module maxpool\), as the pickled modules say .*ONNX/,
    ],
    [
      "module-dilation.pt",
      /stage1\.1\.rbr_dense\.conv without dilation, received 2×2, as the pickled modules say .*ONNX/,
    ],
  ])("%s is refused", async (name, reason) => {
    expect(await message(loadNet(fixture(name)))).toMatch(reason);
  });
});

describe("strides", () => {
  it("that contradict the weights are refused", async () => {
    const net = await loadNet(fixture("module-eps-strides.pt"));
    const ones: Architecture = { ...net.model!.architecture, strides: [1, 1] };
    expect(ones.widths).toEqual([4, 4]);
    const state = new Map((await readTorchFile(fixture("module-eps-strides.pt"))).arrays);
    for (const part of ["weight", "bias", "running_mean", "running_var"])
      state.set(`stage1.0.rbr_identity.${part}`, f32([4]));
    await writeTorchFile(file("identity.pth"), state);
    expect((await loadModel(file("identity.pth"))).architecture.strides).toEqual([2, 1]);
    expect(await message(loadNet(file("identity.pth"), { strides: [2, 2] }))).toMatch(
      /identity branch of stage1\.0 shows stride 1/,
    );
    // Without its weights there, stride 1 means that the branch is not there.
    const without = await loadModel(fixture("cases/eps-state-dict.pt"), { strides: [2, 1, 2] });
    expect(without.architecture.layers).toEqual({ 1: { identity: false } });
  });
});
