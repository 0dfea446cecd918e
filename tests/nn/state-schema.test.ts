import { describe, expect, it } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { f32, numberToHalf } from "#repvgg/core/named-arrays.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { checkState, conformState } from "#repvgg/nn/check-state.js";
import { initialState } from "#repvgg/nn/initialize.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";

const net = architecture({ depths: [2], widths: [2, 2], strides: [1, 1], inputChannels: 2, classes: 3 });
const schema = stateSchema(net, "train");

function state(change: (arrays: Map<string, NamedArray>) => void): Map<string, NamedArray> {
  const arrays = new Map(initialState(net, "train", 0));
  change(arrays);
  return arrays;
}

describe("stateSchema", () => {
  it("decays weights of convolutions, of linear layers and of identity branches, nothing else", () => {
    const decayed = [...schema.values()].filter((entry) => entry.decay).map((entry) => entry.name);
    expect(decayed).toEqual([
      "stage0.rbr_identity.weight",
      "stage0.rbr_dense.conv.weight",
      "stage0.rbr_1x1.conv.weight",
      "stage1.0.rbr_identity.weight",
      "stage1.0.rbr_dense.conv.weight",
      "stage1.0.rbr_1x1.conv.weight",
      "stage1.1.rbr_identity.weight",
      "stage1.1.rbr_dense.conv.weight",
      "stage1.1.rbr_1x1.conv.weight",
      "linear.weight",
    ]);
  });

  it("says of each array its shape, kind, element type and beginning", () => {
    const all = stateSchema(
      architecture({
        ...{ depths: [1], widths: [4, 6], strides: [2, 1], groups: { 1: 2 }, inputChannels: 3, classes: 5 },
        squeezeExcite: { position: "before-relu", ratio: 2 },
      }),
      "train",
    );
    const entry = (name: string, kind: string, shape: number[], more: object = {}) => [
      name,
      { name, kind, shape, dtype: "f32", trainable: true, decay: false, initial: undefined, ...more },
    ];
    const norm = (path: string, channels: number, decay = false) => [
      entry(`${path}.weight`, "bn-weight", [channels], { initial: 1, decay }),
      entry(`${path}.bias`, "bn-bias", [channels], { initial: 0 }),
      entry(`${path}.running_mean`, "bn-mean", [channels], { initial: 0, trainable: false }),
      entry(`${path}.running_var`, "bn-var", [channels], { initial: 1, trainable: false }),
      entry(`${path}.num_batches_tracked`, "bn-count", [], { initial: 0, trainable: false, dtype: "i64" }),
    ];
    const block = (path: string, inputs: number, outputs: number, groups: number, identity: boolean) => [
      ...(identity ? norm(`${path}.rbr_identity`, outputs, true) : []),
      entry(`${path}.rbr_dense.conv.weight`, "conv", [outputs, inputs / groups, 3, 3], { decay: true }),
      ...norm(`${path}.rbr_dense.bn`, outputs),
      entry(`${path}.rbr_1x1.conv.weight`, "conv", [outputs, inputs / groups, 1, 1], { decay: true }),
      ...norm(`${path}.rbr_1x1.bn`, outputs),
      entry(`${path}.se.down.weight`, "conv", [outputs / 2, outputs, 1, 1], { decay: true }),
      entry(`${path}.se.down.bias`, "bias", [outputs / 2]),
      entry(`${path}.se.up.weight`, "conv", [outputs, outputs / 2, 1, 1], { decay: true }),
      entry(`${path}.se.up.bias`, "bias", [outputs]),
    ];
    expect(Object.fromEntries(all)).toEqual(
      Object.fromEntries([
        ...block("stage0", 3, 4, 1, false),
        ...block("stage1.0", 4, 6, 2, false),
        entry("linear.weight", "linear", [5, 6], { decay: true }),
        entry("linear.bias", "bias", [5]),
      ]),
    );
  });

  it("trains everything but BN statistics", () => {
    const fixed = [...schema.values()].filter((entry) => !entry.trainable).map((entry) => entry.name);
    expect(fixed.length).toBeGreaterThan(0);
    for (const name of fixed) expect(name).toMatch(/running_mean|running_var|num_batches_tracked/);
  });
});

describe("checkState", () => {
  it("accepts a whole state, and one without counters", () => {
    checkState(initialState(net, "train", 0), schema);
    checkState(
      state((arrays) => {
        for (const name of [...arrays.keys()]) if (name.endsWith("tracked")) arrays.delete(name);
      }),
      schema,
    );
  });

  it("lists what is missing and what is unexpected, with the nearest name", () => {
    const wrong = state((arrays) => {
      arrays.set("stage1.0.rbr_dense.conv.wieght", arrays.get("stage1.0.rbr_dense.conv.weight")!);
      arrays.delete("stage1.0.rbr_dense.conv.weight");
    });
    expect(() => checkState(wrong, schema)).toThrow(
      /1 missing \(stage1\.0\.rbr_dense\.conv\.weight\) and 1 unexpected.*may be "stage1\.0\.rbr_dense\.conv\.weight"/,
    );
  });

  it("takes a counter of one element whatever its shape, and no other", () => {
    const name = "stage0.rbr_dense.bn.num_batches_tracked";
    const counted = (shape: number[], data: bigint[]) =>
      state((arrays) => arrays.set(name, { dtype: "i64", shape, data: BigInt64Array.from(data) }));
    for (const shape of [[], [1], [1, 1]]) {
      expect(() => checkState(counted(shape, [7n]), schema)).not.toThrow();
      expect(conformState(counted(shape, [7n]), schema).get(name)).toEqual({
        ...{ dtype: "i64", shape: [], data: BigInt64Array.of(7n) },
      });
    }
    for (const shape of [[2], [0]])
      expect(() => checkState(counted(shape, new Array(shape[0]).fill(0n)), schema)).toThrow(`${name} of shape []`);
    // Of all others the shape is the shape.
    expect(() =>
      checkState(
        state((arrays) => arrays.set("linear.bias", f32([3, 1]))),
        schema,
      ),
    ).toThrow(/linear\.bias/);
    expect(() =>
      checkState(
        state((arrays) => arrays.set("linear.bias", f32([]))),
        schema,
      ),
    ).toThrow(/linear\.bias/);
  });

  it("lists three names, and says where there are more", () => {
    const names = [...schema.values()].filter(({ kind }) => kind !== "bn-count").map(({ name }) => name);
    for (const count of [1, 3, 4, names.length]) {
      const less = state((arrays) => {
        for (const name of names.slice(0, count)) arrays.delete(name);
      });
      const listed = `${names.slice(0, Math.min(3, count)).join(", ")}${count > 3 ? ", …" : ""}`;
      expect(() => checkState(less, schema)).toThrow(
        `expected the ${schema.size} weights of this architecture and form, received ${count} missing (${listed}): check the`,
      );
      const more = state((arrays) => {
        for (const name of names.slice(0, count)) arrays.set(`x.${name}`, arrays.get(name)!);
      });
      const unexpected = names.slice(0, Math.min(3, count)).map((name) => `x.${name}`);
      expect(() => checkState(more, schema)).toThrow(
        `received ${count} unexpected (${unexpected.join(", ")}${count > 3 ? ", …" : ""}): check the`,
      );
    }
  });

  it("names the array of another shape", () => {
    const wrong = state((arrays) => arrays.set("linear.weight", f32([3, 4])));
    expect(() => checkState(wrong, schema)).toThrow("linear.weight of shape [3, 2], received [3, 4]");
  });
});

describe("conformState", () => {
  it("widens halves, fills counters and sorts", () => {
    const given = new Map(
      [...initialState(net, "train", 0)]
        .reverse()
        .filter(([name]) => !name.endsWith("tracked"))
        .map(([name, array]): [string, NamedArray] => [
          name,
          { dtype: "f16", shape: array.shape, data: Uint16Array.from(array.data as Float32Array, numberToHalf) },
        ]),
    );
    const conformed = conformState(given, schema);
    expect([...conformed.keys()]).toEqual([...schema.keys()]);
    expect(conformed.get("stage0.rbr_dense.bn.weight")!.data).toEqual(new Float32Array([1, 1]));
    expect(conformed.get("stage0.rbr_dense.bn.num_batches_tracked")!.data).toEqual(new BigInt64Array(1));
  });
});
