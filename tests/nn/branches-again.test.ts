import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { fold, type Model, repvgg, verify } from "#repvgg/index.js";
import { blockDefinition, blockKinds } from "#repvgg/nn/blocks/registry.js";
import { hasPlainBlocks, withBranchesAgain, withStatistics } from "#repvgg/nn/branches-again.js";
import { blockLayouts } from "#repvgg/nn/layout.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { Tape } from "#repvgg/tensor/tape.js";

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());

const size = 8;
const shape = { depths: [2, 2], widths: [8, 8, 16], strides: [1, 1, 2] };
const options = { classes: 5, inputSize: size, seed: 4, statistics: "seeded" as const };

/** Normalised pictures with a mean and a deviation of their own in each channel. */
function input(count: number, seed: number): Float32Array {
  const rng = rngFor(seed, "input");
  return Float32Array.from({ length: count * size * size * 3 }, (_, i) => 0.4 * (i % 3) + rng.uniform(-1, 1.5));
}

function logits(model: Model, x: Float32Array, training = false): Float32Array {
  const network = createNetwork(backend, model);
  const tape = new Tape(backend);
  const given = tape.constant([x.length / (size * size * 3), size, size, 3], x);
  const out = tape.noGradient(() => network.forward(tape, given, { training }).logits.toArray());
  tape.dispose();
  network.dispose();
  return out;
}

function worst(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const foldable = blockKinds.filter((kind) => blockDefinition(kind).unfoldable === undefined);
const nets: [string, Model][] = [
  ...foldable.map((kind): [string, Model] => [`blocks of kind ${kind}`, repvgg({ ...shape, block: kind }, options)]),
  ["groups", repvgg({ ...shape, groups: 4 }, options)],
  ["no 1×1 branches", repvgg({ ...shape, branches: { pointwise: false } }, options)],
  ["no identity branches", repvgg({ ...shape, branches: { identity: false } }, options)],
  [
    "squeeze-and-excitation and auxiliary heads",
    repvgg("L2pse", { depths: [1, 1, 2, 1], widths: [8, 8, 8, 16, 16], strides: [1, 1, 2, 1, 1], ...options }),
  ],
];

describe.each(nets)("a folded net gets branches again: %s", (name, model) => {
  const plain = fold(model);
  const again = withBranchesAgain(plain, 1);

  it("that give the same outputs", async () => {
    expect(plain.form).toBe("plain");
    expect(again.form).toBe("train");
    expect(again.architecture.block.kind).toBe("repvgg");
    if (model.architecture.block.kind === "repvgg") expect(again.architecture).toEqual(model.architecture);
    expect([...again.state.keys()].sort()).toEqual([...stateSchema(again.architecture, "train").keys()].sort());
    const x = input(6, 1);
    expect(worst(logits(again, x), logits(plain, x))).toBeLessThan(2e-5);
    expect((await verify(plain, again, { backend, images: 2 })).verdict, name).toBe("same");
    expect((await verify(again, fold(again), { backend, images: 2 })).verdict, name).toBe("same");
  });

  it("all of which have a part of the kernel, in the same direction", () => {
    for (const { path, identity, pointwise } of blockLayouts(again.architecture)) {
      const [o, i, centre] = [1, 1, 4]; // output channel 1 reads input channel 1 in every group's first channels
      const weight = plain.state.get(`${path}.rbr_reparam.weight`)!;
      const inputs = weight.shape[1]!;
      const whole = Number(weight.data[(o * inputs + i) * 9 + centre]);
      const branches = 1 + Number(pointwise) + Number(identity);
      const dense = again.state.get(`${path}.rbr_dense.conv.weight`)!.data;
      expect(Number(dense[(o * inputs + i) * 9 + centre])).toBeCloseTo(whole / branches, 6);
      expect(Number(dense[(o * inputs + i) * 9])).toBe(Number(weight.data[(o * inputs + i) * 9]));
      if (identity)
        expect(Number(again.state.get(`${path}.rbr_identity.weight`)!.data[o])).toBeCloseTo(whole / branches, 4);
    }
  });

  it("and statistics of pictures, which change no output, and with which a batch gives what the pictures gave", async () => {
    const batches = [input(16, 5), input(16, 6)];
    const found = await withStatistics(backend, again, plain, batches, (tape, x) =>
      tape.constant([16, size, size, 3], x),
    );
    const x = input(6, 1);
    const expected = logits(plain, x);
    expect(worst(logits(found, x), expected)).toBeLessThan(5e-5);
    const spread = Math.max(...expected) - Math.min(...expected);
    const all = new Float32Array([...batches[0]!, ...batches[1]!]);
    // Batch statistics of the very pictures: what training sees in its first step. Without statistics it is another net.
    expect(worst(logits(found, all, true), logits(plain, all))).toBeLessThan(0.02 * spread);
    expect(worst(logits(again, all, true), logits(plain, all))).toBeGreaterThan(0.1 * spread);
    for (const [array, { data }] of found.state) if (array.endsWith("num_batches_tracked")) expect(data[0]).toBe(0n);
    await expect(withStatistics(backend, again, plain, [], () => expect.fail())).rejects.toThrow("at least one batch");
  });
});

describe("a half-folded net", () => {
  it("gets branches where it has none; its other blocks stay as they are", async () => {
    const whole = repvgg(shape, options);
    const plain = fold(whole);
    const layers = { 1: { folded: true as const }, 3: { folded: true as const } };
    const architecture = { ...whole.architecture, layers };
    const state = new Map(
      [...stateSchema(architecture, "train").keys()].map((name) => [
        name,
        (whole.state.get(name) ?? plain.state.get(name))!,
      ]),
    );
    const half: Model = { ...whole, architecture, state };
    expect(hasPlainBlocks(half)).toBe(true);
    const again = withBranchesAgain(half);
    expect(again.architecture).toEqual(whole.architecture);
    expect(hasPlainBlocks(again)).toBe(false);
    const x = input(6, 1);
    expect(worst(logits(again, x), logits(whole, x))).toBeLessThan(2e-5);
    const found = await withStatistics(backend, again, half, [x], (tape, batch) =>
      tape.constant([6, size, size, 3], batch),
    );
    expect(worst(logits(found, x), logits(whole, x))).toBeLessThan(5e-5);
    for (const [name, array] of whole.state) {
      if (/^stage(0|1\.1|2\.1)\./.test(name)) expect(found.state.get(name)!.data, name).toEqual(array.data);
    }
    expect(withBranchesAgain(whole)).toBe(whole);
  });

  it("of blocks of another kind stays as it is", () => {
    const acb = repvgg({ ...shape, block: "acb" }, options);
    const half = { ...acb, architecture: { ...acb.architecture, layers: { 1: { folded: true as const } } } };
    expect(hasPlainBlocks(half)).toBe(false);
  });
});
