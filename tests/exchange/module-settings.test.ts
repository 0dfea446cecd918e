import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { checkNetModules, moduleStride, netModules } from "#repvgg/exchange/module-settings.js";
import type { TorchModule } from "#repvgg/formats/torch/torch-module.js";

type Settings = Record<string, number | string | readonly number[]>;

const module = (type: string, settings: Settings = {}): TorchModule => ({
  type,
  settings: new Map(Object.entries(settings)),
});
const relu = module("torch.nn.modules.activation.ReLU");
const conv = (settings: Settings): TorchModule => module("torch.nn.modules.conv.Conv2d", settings);

const weight = "stage0.rbr_dense.conv.weight";
const stem = { path: "stage0", weight };

/** A net of timm's names behind a prefix, whose stem has these modules, and others beside it. */
function net(inStem: Record<string, TorchModule>, besides: Record<string, TorchModule> = {}) {
  const outer = ["", "body", "body.stem"].map((path) => [path, module("nets.Part")] as const);
  const all = new Map<string, TorchModule>(outer);
  for (const [path, inner] of Object.entries(inStem)) all.set(`body.stem.${path}`, inner);
  for (const [path, other] of Object.entries(besides)) all.set(path, other);
  return netModules(all, new Map([[weight, "body.stem.conv_kxk.conv.weight"]]));
}

describe("modules of a block", () => {
  it("are found by a weight's name in the file", () => {
    const modules = net({ act: relu, "conv_kxk.conv": conv({ stride: [2, 2] }) }, { "body.stem2.act": relu });
    expect([...modules.below(stem).keys()]).toEqual(["act", "conv_kxk.conv"]);
    expect(modules.of(weight)!.settings.get("stride")).toEqual([2, 2]);
    expect(modules.of("stage1.0.rbr_dense.conv.weight")).toBeUndefined();
    expect([...modules.beside(stem).keys()]).toEqual(["stem"]);
    expect([...netModules(new Map(), new Map()).below(stem).keys()]).toEqual([]);
  });

  it.each<[string, string, string]>([
    ["act", "torch.nn.modules.activation.SiLU", "SiLU (module act)"],
    ["act", "torch.nn.modules.activation.ReLU6", "ReLU6 (module act)"],
    ["nonlinearity", "torch.nn.modules.linear.Identity", "Identity (module nonlinearity)"],
    ["act", "mine.Swish", "Swish (module act)"],
    ["branch.2.relu", "torch.nn.modules.activation.Hardswish", "Hardswish (module branch.2.relu)"],
    ["attn.gate", "torch.nn.modules.activation.Hardsigmoid", "Hardsigmoid (module attn.gate)"],
    ["conv_kxk.bn", "torch.nn.modules.instancenorm.InstanceNorm2d", "InstanceNorm2d (module conv_kxk.bn)"],
    ["conv_kxk.bn", "torch.nn.modules.normalization.GroupNorm", "GroupNorm (module conv_kxk.bn)"],
  ])("%s of class %s is refused", (path, type, received) => {
    const check = () => checkNetModules(net({ [path]: module(type) }), [stem]);
    expect(check).toThrow(UserError);
    expect(check).toThrow(`${received}, as the pickled modules say`);
  });

  it.each<[string, string]>([
    ["act", "torch.nn.modules.activation.ReLU"],
    ["conv_kxk.bn.act", "torch.nn.modules.linear.Identity"],
    ["attn.gate", "torch.nn.modules.activation.Sigmoid"],
    ["attn.act", "torch.nn.modules.activation.ReLU"],
    ["conv_kxk.bn", "torch.nn.modules.batchnorm.SyncBatchNorm"],
    ["conv_kxk.bn", "torchvision.ops.misc.FrozenBatchNorm2d"],
    ["drop_path", "timm.layers.drop.DropPath"],
  ])("%s of class %s is what it should be", (path, type) => {
    expect(() => checkNetModules(net({ [path]: module(type) }), [stem])).not.toThrow();
  });

  it("between blocks must be a mean at most", () => {
    const beside = (path: string, type: string) => () =>
      checkNetModules(net({ act: relu }, { [path]: module(`torch.nn.modules.${type}`) }), [stem]);
    for (const type of [
      "pooling.MaxPool2d",
      "pooling.AdaptiveMaxPool2d",
      "pooling.AvgPool2d",
      "upsampling.Upsample",
      "activation.Softmax",
      "padding.ZeroPad2d",
    ]) {
      expect(beside("body.extra", type)).toThrow(/nothing but blocks, .*\(module extra\)/);
    }
    for (const type of ["pooling.AdaptiveAvgPool2d", "dropout.Dropout", "flatten.Flatten", "linear.Linear"]) {
      expect(beside("body.extra", type)).not.toThrow();
    }
    // What belongs to another net, or is deeper, is not between the blocks.
    expect(beside("decoder", "upsampling.Upsample")).not.toThrow();
    expect(beside("body.aux.3", "activation.Sigmoid")).not.toThrow();
  });
});

describe("a convolution's module", () => {
  const stride = (settings: Settings, kernel = 3) =>
    moduleStride(net({ "conv_kxk.conv": conv(settings) }), weight, kernel);

  it("says its stride", () => {
    expect(stride({ stride: [2, 2], padding: [1, 1], dilation: [1, 1], padding_mode: "zeros" })).toBe(2);
    expect(stride({ stride: [1, 1], padding: [0, 0] }, 1)).toBe(1);
    expect(stride({ stride: [1, 1], padding: "same" })).toBe(1);
    expect(stride({})).toBeUndefined();
    expect(moduleStride(net({}), weight, 3)).toBeUndefined();
  });

  it.each<[Settings, RegExp]>([
    [{ stride: [2, 2], dilation: [2, 2] }, /without dilation, received 2×2/],
    [{ stride: [2, 2], dilation: [1, 2] }, /without dilation, received 1×2/],
    [{ stride: [2, 2], padding_mode: "reflect" }, /padded with zeros, received padding mode reflect/],
    [{ stride: [2, 2], padding: [0, 0] }, /padded by 1, received 0×0/],
    [{ stride: [2, 2], padding: [1, 2] }, /padded by 1, received 1×2/],
    [{ stride: [2, 2], padding: "valid" }, /padded by 1, received 0×0/],
    [{ stride: [2, 1] }, /one stride for both sides, received 2×1/],
  ])("with %j is refused", (settings, message) => {
    expect(() => stride(settings)).toThrow(message);
    expect(() => stride(settings)).toThrow(
      /stage0\.rbr_dense\.conv .*as the pickled modules say: export the net to ONNX/,
    );
  });
});
