import { describe, expect, it } from "vitest";
import { fold } from "#repvgg/api/fold.js";
import { UserError } from "#repvgg/core/errors.js";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";

describe("a fresh net", () => {
  const model = repvgg("nano", { seed: 7 });

  it("has the whole state in the schema's order", () => {
    const schema = stateSchema(model.architecture, "train");
    expect([...model.state.keys()]).toEqual([...schema.keys()]);
    for (const [name, array] of model.state) {
      expect(array.shape).toEqual(schema.get(name)!.shape);
      expect(array.dtype).toBe(schema.get(name)!.dtype);
    }
  });

  it("is the same for the same seed and another for another", () => {
    const name = "stage1.0.rbr_dense.conv.weight";
    expect(repvgg("nano", { seed: 7 }).state.get(name)).toEqual(model.state.get(name));
    expect(repvgg("nano", { seed: 8 }).state.get(name)).not.toEqual(model.state.get(name));
  });

  it("begins with BatchNorms that do nothing, or with seeded ones", () => {
    const seeded = repvgg("nano", { seed: 7, statistics: "seeded" });
    const [convolution, norm] = ["stage1.0.rbr_dense.conv.weight", "stage1.1.rbr_identity"];
    expect(seeded.state.get(convolution)).toEqual(model.state.get(convolution));
    const numbers = (of: typeof model, name: string) => [...toFloat64(of.state.get(`${norm}.${name}`)!)];
    expect(numbers(model, "weight").every((value) => value === 1)).toBe(true);
    expect(numbers(model, "running_mean").every((value) => value === 0)).toBe(true);
    for (const name of ["weight", "bias", "running_mean", "running_var"]) {
      expect(new Set(numbers(seeded, name)).size).toBe(24);
    }
    expect(numbers(seeded, "running_var").every((value) => value > 0)).toBe(true);
    expect(fold(seeded).form).toBe("plain");
  });

  // Uniform in ±1/√fanIn: its variance is 1 / (3 fanIn), its kurtosis 9/5.
  it.each([
    ["stage3.1.rbr_dense.conv.weight", 96 * 9],
    ["stage3.1.rbr_1x1.conv.weight", 96],
    ["linear.weight", 96],
  ])("%s is distributed as by PyTorch", (name, fanIn) => {
    const values = toFloat64(model.state.get(name)!);
    const bound = 1 / Math.sqrt(fanIn);
    const moment = (power: number) => values.reduce((sum, value) => sum + (value / bound) ** power, 0) / values.length;
    const error = 5 / Math.sqrt(values.length);
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(bound * 0.98);
    expect(Math.abs(moment(1))).toBeLessThan(error);
    expect(Math.abs(moment(2) - 1 / 3)).toBeLessThan(error);
    expect(Math.abs(moment(4) - 1 / 5)).toBeLessThan(error);
  });

  it("bounds biases by the fan-in of their weights", () => {
    const bias = toFloat64(model.state.get("linear.bias")!);
    expect(Math.max(...bias.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(96));
    expect(bias.some((value) => value !== 0)).toBe(true);
    const plain = repvgg("nano", { form: "plain" }).state.get("stage1.0.rbr_reparam.bias")!;
    expect(Math.max(...toFloat64(plain).map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(16 * 9));
  });

  it("starts BatchNorm at the identity", () => {
    const at = (suffix: string) => [...toFloat64(model.state.get(`stage1.1.rbr_identity.${suffix}`)!)];
    expect(new Set(at("weight"))).toEqual(new Set([1]));
    expect(new Set(at("running_var"))).toEqual(new Set([1]));
    expect(new Set(at("bias"))).toEqual(new Set([0]));
    expect(new Set(at("running_mean"))).toEqual(new Set([0]));
    expect(at("num_batches_tracked")).toEqual([0]);
  });

  it("draws each array by the seed and its own name, in PyTorch's bounds or those of trained statistics", () => {
    const ranges: [RegExp, [number, number]][] = [
      [/(rbr_identity|bn)\.weight$/, [0.4, 1.2]],
      [/(rbr_identity|bn)\.(bias|running_mean)$/, [-0.2, 0.2]],
      [/running_var$/, [0.4, 1.6]],
    ];
    const seeded = repvgg("nano", { seed: 7, statistics: "seeded" });
    const seen = new Set<string>();
    for (const [name, { shape, data, dtype }] of seeded.state) {
      if (dtype === "i64") continue;
      const known = ranges.find(([pattern]) => pattern.test(name));
      const weight = name === "linear.bias" ? seeded.state.get("linear.weight")!.shape : shape;
      const bound = 1 / Math.sqrt(weight.slice(1).reduce((product, size) => product * size, 1));
      const [low, high] = known?.[1] ?? [-bound, bound];
      const rng = rngFor(7, "init", name);
      expect(data, name).toEqual(Float32Array.from({ length: data.length }, () => rng.uniform(low, high)));
      seen.add(String(known?.[0]));
      const fresh = model.state.get(name)!.data;
      if (known)
        expect(new Set(fresh as Float32Array)).toEqual(
          new Set([/(bn|identity)\.weight$|running_var$/.test(name) ? 1 : 0]),
        );
      else expect(fresh).toEqual(data);
    }
    expect(seen.size).toBe(4);
  });

  it("describes itself", () => {
    expect(model.metadata.classNames).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    expect(model.metadata.preprocessing).toMatchObject({ size: [28, 28], channels: 1, cropRatio: 1 });
    expect(model.metadata.provenance).toEqual({ initialSeed: "7" });
    const told = repvgg("nano", {
      provenance: { source: "x" },
      preprocessing: { mean: [0.3], size: [128, 300] },
    }).metadata;
    expect(told.provenance).toEqual({ initialSeed: "0", source: "x" });
    expect(told.preprocessing).toEqual({
      ...{ size: [128, 300], channels: 1, mean: [0.3], std: [0.5], interpolation: "bilinear", cropRatio: 0.875 },
    });
    expect(repvgg("nano", { inputSize: [300, 127] }).metadata.preprocessing.cropRatio).toBe(1);
    expect(repvgg("A0").metadata.preprocessing).toMatchObject({ size: [224, 224], cropRatio: 0.875 });
    expect(repvgg({ depths: [1], widths: [8, 8] }, { classes: 2 }).metadata.preprocessing.size).toEqual([224, 224]);
    const named = repvgg("nano", { classNames: ["cat", "dog"], inputChannels: 3, inputSize: [32, 48] });
    expect(named.architecture.classes).toBe(2);
    expect(named.metadata.preprocessing).toMatchObject({ size: [32, 48], channels: 3, mean: [0.485, 0.456, 0.406] });
  });

  it.each([
    [{ classNames: ["a", "b"], classes: 3 }, "3 class names"],
    [{ inputChannels: 2 }, "1 (grey) or 3 (RGB)"],
    [{ inputSize: 0 }, "inputSize"],
    [{ inputSize: [28, 16_385] }, "whole numbers from 1 to 16384, received 28×16385"],
    [{ inputSize: [28] }, "inputSize"],
    [{ inputSize: 28.5 }, "inputSize"],
    [{ seed: 0.5 }, "seed"],
    [{ clases: 3 }, 'did you mean "classes"'],
  ])("refuses %j", (options, message) => {
    expect(() => repvgg("nano", options as never)).toThrow(UserError);
    expect(() => repvgg("nano", options as never)).toThrow(message);
  });
});
