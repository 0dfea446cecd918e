import { describe, expect, it } from "vitest";
import { chooseEpsilon, type EpsilonSources } from "#repvgg/exchange/epsilon.js";
import { hiddenInMetadata } from "#repvgg/exchange/weights-metadata.js";
import type { TorchModule } from "#repvgg/formats/torch/torch-module.js";

const module = (eps: number | string | undefined): TorchModule => ({
  type: "torch.nn.modules.batchnorm.BatchNorm2d",
  settings: new Map(eps === undefined ? [] : [["eps", eps]]),
});

/** What is chosen for the BatchNorms a, b, c where modules say these. */
function choose(modules: Record<string, number | string | undefined>, sources: Partial<EpsilonSources> = {}) {
  const moduleAt = (path: string) => (path in modules ? module(modules[path]) : undefined);
  return chooseEpsilon(["a", "b", "c"], { moduleAt, names: [], ...sources });
}

describe("ε of BatchNorms", () => {
  it("by module: one for all, some by path, and those that say nothing", () => {
    expect(choose({ a: 0.1, b: 0.1, c: 0.1 })).toEqual({
      epsilon: 0.1,
      note: "ε of every BatchNorm: 0.1, as the pickled modules say",
    });
    expect(choose({ a: 1e-5, b: 1e-5, c: 1e-5 })!.epsilon).toBeUndefined();
    expect(choose({ a: 0, b: 0, c: 0 })!.epsilon).toBe(0);
    expect(choose({ a: 0.1, b: 1e-5, c: 0.2 })).toEqual({
      epsilon: { a: 0.1, c: 0.2 },
      note: "ε of BatchNorm by module, as the pickled modules say: 0.1, 1e-5, 0.2",
    });
    expect(choose({ a: 0.1, b: 0.1 })).toEqual({
      epsilon: { a: 0.1, b: 0.1 },
      note: "ε of BatchNorm by module, as the pickled modules say: 0.1; 1 say nothing: 1e-5",
    });
    expect(choose({ a: 1e-5 })!.epsilon).toBeUndefined();
    for (const nonsense of [-1, Number.NaN, Number.POSITIVE_INFINITY, "1e-3", undefined]) {
      expect(choose({ a: nonsense, b: nonsense, c: nonsense })!.note).toContain("assumed 1e-5, PyTorch's default");
    }
  });

  it("what is asked for goes before metadata, metadata before modules, modules before names", () => {
    const names = ["backbone.ERBlock_2.0.rbr_dense.conv.weight"];
    const modules = { a: 0.3, b: 0.3, c: 0.3 };
    expect(choose(modules, { asked: 0.1, stated: 0.2, names })!.epsilon).toBe(0.1);
    expect(choose(modules, { stated: 0.2, names })!.epsilon).toBe(0.2);
    expect(choose(modules, { names })!.epsilon).toBe(0.3);
    expect(choose({}, { names })!.epsilon).toBe(1e-3);
    expect(choose({}, { asked: 1e-5, names })!.epsilon).toBeUndefined();
    expect(choose(modules, { asked: 0.3 })!.note).toBe("ε of every BatchNorm: 0.3, as asked for");
    expect(choose({}, { asked: 0.5, by: "as timm builds these nets" })!.note).toBe(
      "ε of every BatchNorm: 0.5, as timm builds these nets",
    );
    expect(choose({}, { stated: { a: 0.2, b: 0.1 } })!.note).toBe(
      "ε of BatchNorm: 0.2, 0.1, as the file's metadata says",
    );
    expect(chooseEpsilon([], { moduleAt: () => undefined, names })).toBeUndefined();
    for (const asked of [-1e-9, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => choose({}, { asked })).toThrow(/a number ≥ 0/);
  });

  it.each([
    "backbone.ERBlock_2.0.rbr_dense.conv.weight",
    "detect.cls_preds.0.weight",
    "model.22.dfl.conv.weight",
    "model.24.anchors",
    "heads.head1.cls_pred.weight",
  ])("%s proves 1e-3", (name) => {
    expect(choose({}, { names: ["stage0.x", name] })).toMatchObject({
      epsilon: 1e-3,
      note: expect.stringContaining(name),
    });
  });

  it.each(["detector.stems.0.weight", "model.22.anchors.weight", "headset.head1.weight", "stage1.0.rbr_1x1.bn.weight"])(
    "%s proves nothing",
    (name) => {
      expect(choose({}, { names: [name] })!.epsilon).toBeUndefined();
    },
  );

  it("goes through metadata, and other programs' texts are none", () => {
    const epsilonMetadata = (metadata: Readonly<Record<string, string>>) => hiddenInMetadata(metadata).batchNormEpsilon;
    for (const epsilon of [0, 1e-3, { a: 0.1, b: 0.2 }]) {
      expect(epsilonMetadata({ batchNormEpsilon: JSON.stringify(epsilon) })).toEqual(epsilon);
    }
    for (const text of ["", "x", "-1", "[1]", '"1"', '{"a":"b"}', '{"a":-1}', "null", "true"]) {
      expect(epsilonMetadata({ batchNormEpsilon: text }), text).toBeUndefined();
    }
    expect(epsilonMetadata({})).toBeUndefined();
    for (const strides of ["", "2", '[1,"2"]', "[0]", "[1.5]", "[65]", '{"0":1}', "null"]) {
      expect(hiddenInMetadata({ strides }), strides).toEqual({});
    }
    expect(hiddenInMetadata({ strides: "[1,2]" })).toEqual({ strides: [1, 2] });
  });
});
