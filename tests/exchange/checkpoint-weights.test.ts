import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { loadModel, saveModel } from "#repvgg/api/model-files.node.js";
import { runCommand } from "#repvgg/cli/program.js";
import { f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { readSafetensorsFile, writeSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { readTorchFile, writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { expectRight, file, fixture, message, oracle } from "./checkpoint-oracle.js";
import { outputOf, relativeError } from "./support.js";

describe("weights that the net has no place for", () => {
  const weightsOf = async (path: string) => (await readTorchFile(path)).arrays;

  it("stop, unless they are kept as they are or left out when asked for", async () => {
    const decoder = fixture("cases/decoder.pt");
    expect(await message(loadNet(decoder))).toMatch(
      /a place in the net for every weight .* received decoder\.0\.conv\.weight, .* and 2 more \(a decoder\) in .*: export the whole net to ONNX .*--rest keep.*--rest drop/,
    );
    const kept = await loadNet(decoder, { rest: "keep" });
    expect(kept.source.notes.join()).toMatch(/decoder\.0\.conv\.weight, .* kept as they are/);
    for (const ending of ["pth", "safetensors"]) {
      const path = file(`kept.${ending}`);
      await saveNet(foldNet(kept).net, path);
      const written = ending === "pth" ? await weightsOf(path) : (await readSafetensorsFile(path)).arrays;
      const names = [...written.keys()];
      expect(names).toContain("stage1.1.rbr_reparam.weight");
      for (const [name, array] of await weightsOf(decoder)) {
        if (!name.startsWith("decoder.")) continue;
        expect(toFloat64(written.get(name)!), name).toEqual(toFloat64(array));
      }
      expect(names.filter((name) => name.includes("rbr_dense"))).toEqual([]);
    }
    expect(await message(saveNet(foldNet(kept).net, file("kept.onnx")))).toMatch(
      /\.pth or \.safetensors for weights that are kept/,
    );
    await saveNet(foldNet(await loadNet(decoder, { rest: "drop" })).net, file("dropped.onnx"));
    expect(await message(loadNet(decoder, { rest: "no" as never }))).toContain("rest: refuse, keep, drop");
  });

  it("a net within another: its names get their prefix back", async () => {
    for (const name of ["backbone-and-neck.pt", "cases/encoder-prefix.pt"]) {
      expect(await message(loadNet(fixture(name)))).toMatch(/neck\.lateral\.weight, neck\.lateral\.bias|head\.weight/);
      const net = await loadNet(fixture(name), { rest: "keep" });
      const prefix = name.startsWith("cases") ? "encoder." : "backbone.";
      expect(net.source.notes[0]).toBe(`took "${prefix}" off the net's names`);
      await saveNet(foldNet(net).net, file("inner.pth"));
      const written = [...(await weightsOf(file("inner.pth"))).keys()];
      expect(written).toContain(`${prefix}stage1.1.rbr_reparam.bias`);
      expect(written.filter((key) => !key.startsWith(prefix)).sort()).toEqual(
        [...(await weightsOf(fixture(name))).keys()].filter((key) => !key.startsWith(prefix)).sort(),
      );
    }
    await expectRight("backbone-and-neck.pt", { rest: "drop" });
  });

  it("a classifier beside the net that it may belong to is one of them", async () => {
    const inner = [...(await weightsOf(fixture("acb.pt")))];
    const outside = inner.map(
      ([name, array]) => [name.startsWith("linear") ? name : `encoder.${name}`, array] as const,
    );
    await writeTorchFile(file("outside.pth"), new Map(outside));
    expect(await message(loadNet(file("outside.pth")))).toMatch(/received linear\.weight, linear\.bias in/);
    expect((await loadNet(file("outside.pth"), { rest: "keep" })).graph.outputs[0]!.name).toBe("stage1");
    // What only wraps a net is no net within another.
    const wrapped = inner.map(
      ([name, array]) => [name.startsWith("linear") ? `module.model.${name}` : name, array] as const,
    );
    await writeTorchFile(file("wrapped.pth"), new Map(wrapped));
    expect((await loadModel(file("wrapped.pth"))).architecture.classes).toBe(3);
  });

  it("counters and what only training uses are none of them", async () => {
    const { arrays } = await readTorchFile(fixture("cases/half-folded.pt"));
    const counters = new Map<string, NamedArray>([
      ["step", { dtype: "i32", shape: [1], data: Int32Array.of(3) }],
      ["n_averaged", { dtype: "i64", shape: [], data: BigInt64Array.of(9n) }],
      ["total_ops", { dtype: "f64", shape: [1], data: Float64Array.of(1e9) }],
      ["stage1.0.total_params", { dtype: "f64", shape: [1], data: Float64Array.of(100) }],
      ["stage1.0.rbr_1x1.bn.num_batches_tracked", { dtype: "i64", shape: [], data: BigInt64Array.of(4n) }],
      ["loss_fn.weight", f32([3])],
    ]);
    await writeTorchFile(file("counted.pth"), new Map([...arrays, ...counters]));
    const { source, rest } = await loadNet(file("counted.pth"));
    expect(rest).toBeUndefined();
    expect(source.notes.join()).toContain("left out loss_fn.weight: a loss or metric");
    expect(source.notes.join()).not.toMatch(/total|averaged/);
    const table = { dtype: "i64", shape: [2], data: BigInt64Array.of(1n, 2n) } as const;
    await writeTorchFile(file("table.pth"), new Map([...arrays, ["positions", table]]));
    expect(await message(loadNet(file("table.pth")))).toMatch(/received positions in/);
  });

  it("names of a typo are shown", async () => {
    const { arrays } = await readTorchFile(fixture("acb.pt"));
    const typo = new Map(
      [...arrays].map(([name, array]) => [name.replace("stage1.0.ver_bn.bias", "stage1.0.vertical_norm.bias"), array]),
    );
    await writeTorchFile(file("typo.pth"), typo);
    expect(await message(loadNet(file("typo.pth")))).toMatch(
      /a file without stage1\.0\.ver_bn\.bias, with "stage1\.0\.vertical_norm\.bias", which has no place/,
    );
  });
});

describe("where weights are in a checkpoint", () => {
  it("Lightning: loss and metrics aside, the average is another set, taken by its key", async () => {
    const net = await expectRight("lightning.ckpt");
    expect(net.source.alternatives).toContain("ema_model.module");
    expect(net.source.notes.join("\n")).toMatch(
      /under "state_dict\.ema_model\.module"[\s\S]*left out criterion\.weight, val_acc\.correct/,
    );
    await expectRight("lightning.ckpt", { key: "state_dict.ema_model.module" }, "state_dict.ema_model.module");
  });

  it("under a key that nobody else uses, the only one; of two, the one that is asked for", async () => {
    expect((await expectRight("odd-key.pt")).source.chosen).toBe("classifier_v2.weights_best");
    await expectRight("odd-key.pt", { key: "classifier_v2.weights_best" });
    expect(await message(loadNet(fixture("two-odd-keys.pt")))).toMatch(
      /weights under "netA", "netB" in .*: choose one with --key \(key\): netA/,
    );
    await expectRight("two-odd-keys.pt", { key: "netA" }, "netA");
    await expectRight("two-odd-keys.pt", { key: "netB" }, "netB");
    expect(await message(loadNet(fixture("odd-key.pt"), { key: "netA" }))).toMatch(
      /one of the weights in the file: "classifier_v2\.weights_best"/,
    );
    expect(await message(loadNet(fixture("acb.pt"), { key: "netA" }))).toMatch(
      /received "netA" in .*leave the key out/,
    );
  });

  it("with a wrapper's prefix on some names only", async () => {
    await expectRight("module-on-some-names.pt");
  });

  it("two nets side by side are refused unless one is named", async () => {
    const { arrays } = await readTorchFile(fixture("acb.pt"));
    const both = new Map(
      ["student", "first"].flatMap((path) => [...arrays].map(([name, array]) => [`${path}.${name}`, array] as const)),
    );
    for (const [path, write] of [
      ["both.pth", writeTorchFile],
      ["both.safetensors", writeSafetensorsFile],
    ] as const) {
      await write(file(path), both);
      expect(await message(loadNet(file(path)))).toMatch(/nets under "first" and "student" in .*choose one with --key/);
      expect((await loadNet(file(path), { key: "student" })).model!.architecture.block.kind).toBe("acb");
    }
    expect(await message(loadNet(file("both.safetensors"), { key: "third" }))).toMatch(/names begin with "third\."/);
  });
});

describe("a net without classifier", () => {
  it("returns the map of its last stage, keeps its names, and is no model", async () => {
    const net = await loadNet(fixture("cases/no-head.pt"));
    expect(net.graph.outputs).toMatchObject([{ name: "stage2", shape: ["batch", 6, "stage2.height", "stage2.width"] }]);
    expect(net.source.notes.join()).toContain(
      "no classifier (linear.weight): the net is a backbone, which returns the map stage2",
    );
    expect(await message(loadModel(fixture("cases/no-head.pt")))).toMatch(
      /received .*no-head\.pt, a net without classes/,
    );
    await saveNet(net, file("body.pth"), { scheme: "timm" });
    expect([...(await readTorchFile(file("body.pth"))).arrays.keys()]).toContain(
      "stem.conv_kxk.bn.num_batches_tracked",
    );
    const input = oracle("backbone-and-neck.pt").input;
    expect(relativeError(outputOf((await loadNet(file("body.pth"))).graph, input), outputOf(net.graph, input))).toBe(0);
  });

  it("of mmpretrain, with its own prefix or without", async () => {
    const net = await loadNet(fixture("cases/no-head.pt"));
    await saveNet(net, file("mm.pth"), { scheme: "mmpretrain" });
    const { arrays } = await readTorchFile(file("mm.pth"));
    expect([...arrays.keys()][0]).toMatch(/^backbone\.stem\./);
    const input = oracle("backbone-and-neck.pt").input;
    const bare = new Map([...arrays].map(([name, array]) => [name.replace("backbone.", ""), array]));
    const inner = new Map([...bare].map(([name, array]) => [`img_encoder.${name}`, array]));
    const neck = ["neck.conv.weight", f32([2, 4, 1, 1])] as const;
    for (const [path, weights, prefix] of [
      ["mm.pth", arrays, "backbone."],
      ["bare.pth", bare, ""],
      ["inner.pth", inner, "img_encoder."],
    ] as const) {
      await writeTorchFile(file(path), new Map([...weights, neck]));
      const read = await loadNet(file(path), { rest: "keep" });
      expect(read.source.scheme).toBe("mmpretrain");
      expect(relativeError(outputOf(read.graph, input), outputOf(net.graph, input)), path).toBe(0);
      await saveNet(foldNet(read).net, file(`folded-${path}`), { scheme: "mmpretrain" });
      const names = [...(await readTorchFile(file(`folded-${path}`))).arrays.keys()];
      expect(names).toContain(`${prefix}stem.branch_reparam.weight`);
      expect(names).toContain("neck.conv.weight");
    }
  });

  it("nor does one that reads other channels than pictures have", async () => {
    const { arrays } = await readTorchFile(fixture("cases/pruned.pt"));
    const wide = new Map(arrays)
      .set("stage0.rbr_dense.conv.weight", f32([4, 6, 3, 3]))
      .set("stage0.rbr_1x1.conv.weight", f32([4, 6, 1, 1]));
    await writeTorchFile(file("wide.pth"), wide);
    const net = await loadNet(file("wide.pth"));
    expect([net.model, net.graph.inputs[0]!.shape]).toEqual([undefined, ["batch", 6, "height", "width"]]);
  });
});

describe("weights that are no numbers", () => {
  it.each(["pth", "safetensors", "onnx"])("are warned of in .%s", async (ending) => {
    const net = await loadNet(fixture("cases/eps-state-dict.pt"));
    const state = new Map(net.model!.state);
    const spoil = (name: string, value: number): void => {
      const data = Float32Array.from(state.get(name)!.data as Float32Array);
      data[1] = value;
      state.set(name, f32(state.get(name)!.shape, data));
    };
    spoil("stage0.rbr_dense.bn.running_var", -1e-9);
    spoil("stage1.0.rbr_1x1.conv.weight", Number.POSITIVE_INFINITY);
    const path = file(`spoilt.${ending}`);
    await saveModel({ ...net.model!, state }, path);
    const written: string[] = [];
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    try {
      await runCommand(["info", path]);
    } finally {
      spy.mockRestore();
    }
    const text = written.join("");
    expect(text).toMatch(/! BatchNorm statistics are not numbers; stage0\.rbr_dense\.bn: 1 of 4 channels/);
    expect(text).toMatch(
      /! Weights are not numbers; stage1\.0\.rbr_1x1\.conv\.weight: 1 of 16 numbers are infinite or none/,
    );
  });
});

describe("info of other people's files", () => {
  it("says what is in them, and why they are no net here", async () => {
    const names = ["conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight", "fc.weight", "fc.bias"];
    await writeTorchFile(file("resnet.pth"), new Map(names.map((name) => [name, f32([4, 2])])));
    await writeSafetensorsFile(file("resnet.safetensors"), new Map(names.map((name) => [name, f32([4, 2])])));
    writeFileSync(file("broken.pth"), readFileSync(file("resnet.pth")).subarray(0, 700));
    for (const [name, type] of [
      ["resnet.pth", "PyTorch checkpoint: 6 tensors, 48 numbers (torch.FloatStorage)"],
      ["resnet.safetensors", "safetensors: 6 tensors, 48 numbers (f32)"],
    ] as const) {
      const written: string[] = [];
      const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
      try {
        await runCommand(["info", file(name)]);
        await runCommand(["info", file(name), "--json"]);
      } finally {
        spy.mockRestore();
      }
      expect(written[0]).toContain(type);
      expect(written[0]).toContain("\n  layer1.0.conv1.weight [4, 2]\n");
      expect(written[0]).toMatch(/no net that this package reads by its weights: expected weight names of RepVGG/);
      expect(JSON.parse(written[1]!)).toMatchObject({ source: null, weights: [{ path: "", numbers: 48 }] });
    }
    expect(await message(runCommand(["info", file("broken.pth")]))).toMatch(/cut short; fetch it again/);
    expect(await message(runCommand(["info", fixture("cases/torchscript.pt")]))).toMatch(
      /a TorchScript program .*torch\.jit\.load\(FILE, map_location='cpu'\)\.state_dict\(\)/,
    );
  });
});
