import { describe, expect, it } from "vitest";
import type { Model } from "#repvgg/nn/model.js";
import { withClasses } from "#repvgg/nn/new-head.js";
import { repvgg } from "#repvgg/nn/repvgg.js";

const net = repvgg(
  { depths: [1], widths: [4, 6] },
  { classNames: ["cat", "crane", "dog", "crane", "4"], inputSize: 8, seed: 3 },
);

function rowsOf(model: Model, head = "linear"): { weight: number[]; bias: number }[] {
  const { shape, data } = model.state.get(`${head}.weight`)!;
  const bias = model.state.get(`${head}.bias`)!.data;
  return Array.from({ length: shape[0]! }, (_, row) => ({
    weight: Array.from(data.slice(row * shape[1]!, (row + 1) * shape[1]!) as Float32Array),
    bias: Number(bias[row]),
  }));
}

const zeros = { weight: [0, 0, 0, 0, 0, 0], bias: 0 };

describe("a head for other classes", () => {
  it("keeps rows of classes with the same name, whatever their order; the others begin at 0", () => {
    const { model, kept } = withClasses(net, ["horse", "dog", "cat"]);
    const [cat, , dog] = rowsOf(net);
    expect(rowsOf(model)).toEqual([zeros, dog, cat]);
    expect(kept).toEqual(["dog", "cat"]);
    expect(model.architecture).toEqual({ ...net.architecture, classes: 3 });
    expect(model.metadata).toEqual({ ...net.metadata, classNames: ["horse", "dog", "cat"] });
    for (const [name, array] of net.state) if (!name.startsWith("linear.")) expect(model.state.get(name)).toBe(array);
  });

  it("takes no row by a name that the net has twice, or that is a number", () => {
    const { model, kept } = withClasses(net, ["crane", "4"]);
    expect(kept).toEqual([]);
    expect(rowsOf(model)).toEqual([zeros, zeros]);
  });

  it("is put on auxiliary heads too, which the plain form does not have", () => {
    const plus = { depths: [1, 1, 2, 1], widths: [8, 8, 8, 16, 16] };
    const names = ["a", "b", "c"];
    for (const form of ["train", "plain"] as const) {
      const model = repvgg("L2pse", { ...plus, classNames: names, inputSize: 32, form });
      const { model: other } = withClasses(model, ["c", "d"]);
      const heads = [...model.state.keys()].filter((name) => name.endsWith(".3.weight") || name === "linear.weight");
      expect(heads.length).toBe(form === "train" ? 4 : 1);
      for (const head of heads.map((name) => name.replace(/\.weight$/, ""))) {
        expect(rowsOf(other, head)[0]).toEqual(rowsOf(model, head)[2]);
        expect(new Set(rowsOf(other, head)[1]!.weight)).toEqual(new Set([0]));
      }
    }
  });

  it("says no more that class names were assumed", () => {
    const assumed = { ...net, metadata: { ...net.metadata, assumed: ["classNames", "mean"] as const } };
    expect(withClasses(assumed, ["a", "b"]).model.metadata.assumed).toEqual(["mean"]);
    const names = { ...net, metadata: { ...net.metadata, assumed: ["classNames"] as const } };
    expect(withClasses(names, ["a", "b"]).model.metadata).not.toHaveProperty("assumed");
  });

  it.each([
    [[], "none"],
    [["cat"], 'one, "cat"'],
  ])("is refused for %j", (names, received) => {
    expect(() => withClasses(net, names)).toThrow(
      `expected at least two classes to tell apart, received ${received}: add a folder of pictures that are something else`,
    );
  });
});
