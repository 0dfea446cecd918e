import { describe, expect, it } from "vitest";
import type { Backend, Pointer } from "#repvgg/backend/backend.js";
import { checkCalls } from "#repvgg/backend/check-calls.js";
import {
  type ByteConvAlgorithm,
  byteConvAlgorithms,
  largestWeightSum,
  planByteConv,
} from "#repvgg/backend/conv-bytes/plan.js";
import { type ConvGeometry, convGeometry } from "#repvgg/core/conv-geometry.js";
import { Rng } from "#repvgg/core/rng.js";
import { readKernels } from "../../scripts/kernel-list.mjs";
import { backendKinds } from "./backends.js";
import { type ByteConv, largestSumOf, naiveSums, padded, rowBytes, toByte, unpadded } from "./byte-oracle.js";
import { convGeometries, describeGeometry } from "./conv-geometries.js";

interface Range {
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** A convolution with what it must give: bytes without and with a residual, floats. */
interface Expected extends ByteConv {
  readonly range: Range;
  readonly residual: Uint8Array;
  readonly bytes: Uint8Array;
  readonly summed: Uint8Array;
  readonly floats: Float32Array;
}

const residualZero = 77;
const residualMultiplier = Math.fround(0.37);

/** Values that the byte 0 … 255 or −128 … 127 takes, of every kind: `kind` decides which. */
type Kind = "random" | "largest" | "least";

function expected(geometry: ConvGeometry, kind: Kind, seed: number): Expected {
  const g = geometry;
  const rng = new Rng(seed);
  const integer = (from: number, to: number) => Math.floor(rng.uniform(from, to + 1));
  const weights = (g.kernelHeight * g.kernelWidth * g.inChannels * g.outChannels) / g.groups;
  const inputZero = kind === "random" ? integer(0, 255) : 255;
  const conv: ByteConv = {
    ...{ geometry, inputZero },
    x: new Uint8Array(g.batch * g.height * g.width * g.inChannels).map(() =>
      kind === "random" ? integer(0, 255) : 255,
    ),
    weight: new Int8Array(weights).map(() =>
      kind === "random" ? integer(-128, 127) : kind === "largest" ? 127 : -128,
    ),
    bias: new Int32Array(g.outChannels).map(() => integer(-50_000, 50_000)),
    multiplier: new Float32Array(g.outChannels).map(
      () => rng.uniform(0.2, 4) / (1 + weights / g.outChannels) ** 0.6 / 100,
    ),
  };
  const sums = naiveSums(conv);
  const floats = Float32Array.from(sums, (sum, i) => Math.fround(sum) * conv.multiplier[i % g.outChannels]!);
  const range = { zero: integer(0, 255), low: integer(0, 60), high: integer(200, 255) };
  const residual = new Uint8Array(sums.length).map(() => integer(0, 255));
  const { zero, low, high } = range;
  return {
    ...conv,
    ...{ range, residual, floats },
    bytes: Uint8Array.from(floats, (v) => toByte(v, zero, low, high)),
    summed: Uint8Array.from(floats, (v, i) =>
      toByte(Math.fround(v + Math.fround((residual[i]! - residualZero) * residualMultiplier)), zero, low, high),
    ),
  };
}

const bytesOf = (array: Uint8Array | Int8Array | Int32Array | Float32Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Words around each array that no kernel may touch. */
const guard = 16;

const ran = new Set<string>();

/** Runs an algorithm on a backend as all three kinds of results. */
function run(backend: Backend, e: Expected, algorithm: ByteConvAlgorithm) {
  const g = e.geometry;
  const plan = planByteConv(g, backend, largestSumOf(g, e.weight), algorithm);
  const blocks: { at: Pointer; words: number }[] = [];
  const place = (bytes: Uint8Array | number): Pointer => {
    const words = typeof bytes === "number" ? bytes : Math.ceil(bytes.byteLength / 4);
    const at = backend.allocate(words + 2 * guard);
    backend.u8(at, 4 * (words + 2 * guard)).fill(0xa5);
    if (typeof bytes !== "number") backend.u8(at + guard, bytes.byteLength).set(bytes);
    blocks.push({ at, words });
    return at + guard;
  };
  const outputWords = (e.bytes.length / g.outChannels) * (rowBytes(g.outChannels) / 4);
  const at = {
    input: place(padded(e.x, g.inChannels, 211)),
    weight: place(bytesOf(e.weight)),
    packed: place(plan.packedWords),
    bias: place(bytesOf(e.bias)),
    multiplier: place(bytesOf(e.multiplier)),
    residual: place(padded(e.residual, g.outChannels, 99)),
    bytes: place(outputWords),
    summed: place(outputWords),
    floats: place(e.floats.length),
  };
  const common = {
    input: at.input,
    inputZero: e.inputZero,
    packed: at.packed,
    bias: at.bias,
    multiplier: at.multiplier,
  };
  const residual = { at: at.residual, zero: residualZero, multiplier: residualMultiplier };
  const calls = [
    ...plan.pack(at.weight, at.packed),
    ...plan.run({ ...common, output: at.bytes, bytes: e.range }),
    ...plan.run({ ...common, output: at.summed, bytes: e.range, residual }),
    ...plan.run({ ...common, output: at.floats }),
  ];
  const regions = blocks.map(({ at: from, words }, i) => ({
    name: `array ${i}`,
    from: from + guard,
    words,
    writable: true,
  }));
  checkCalls(calls, regions, backend, algorithm);
  for (const { kernel } of calls) ran.add(kernel);
  backend.run(calls);
  const result = {
    bytes: backend.u8(at.bytes, 4 * outputWords).slice(),
    summed: backend.u8(at.summed, 4 * outputWords).slice(),
    floats: backend.f32(at.floats, e.floats.length).slice(),
  };
  for (const { at: from, words } of blocks) {
    const outside = [...backend.u8(from, 4 * guard), ...backend.u8(from + guard + words, 4 * guard)];
    if (outside.some((byte) => byte !== 0xa5)) throw new Error(`${algorithm} wrote beside its arrays`);
    backend.free(from);
  }
  return result;
}

/** 64 inputs and more, so that loops over vectors have several turns; sums beyond what F(4×4) holds. */
const wide: readonly ConvGeometry[] = [
  convGeometry({ height: 9, width: 10, inChannels: 200, outChannels: 72, kernel: 3, padding: 1 }),
  convGeometry({ height: 10, width: 7, inChannels: 96, outChannels: 40, kernel: 3, padding: 1, stride: 2 }),
  convGeometry({ height: 3, width: 5, inChannels: 260, outChannels: 33, kernel: 1 }),
  convGeometry({ batch: 2, height: 7, width: 7, inChannels: 64, outChannels: 64, kernel: 3, padding: 1, groups: 4 }),
];

/** 230 inputs of 9 · 127: all but 282 of the sum of magnitudes that F(4×4) holds. */
const widest = convGeometry({ height: 5, width: 6, inChannels: 230, outChannels: 5, kernel: 3, padding: 1 });

const wideCases: readonly Expected[] = wide.map((g, i) => expected(g, "random", 1000 + i));
const cases: readonly Expected[] = [
  ...convGeometries.map((g, i) => expected(g, "random", 2000 + i)),
  ...wideCases,
  // All 255 and weights of one sign: the largest sums that there can be.
  ...[widest, ...wide.slice(0, 3)].flatMap((g, i) =>
    (["largest", "least"] as const).map((kind) => expected(g, kind, 3000 + i)),
  ),
];

const algorithms = ["igemm", "winograd2", "winograd4", "winograd4_stride2", "depthwise"] as const;

const same = (a: Uint8Array | Float32Array, b: Uint8Array | Float32Array) =>
  Buffer.compare(bytesOf(a), bytesOf(b)) === 0;

/** How many of the convolutions an algorithm can do; all of them must give what whole numbers do. */
function tryAll(backend: Backend, algorithm: ByteConvAlgorithm, tried: readonly Expected[]): number {
  let count = 0;
  for (const e of tried) {
    const g = e.geometry;
    if (!byteConvAlgorithms(g, backend, largestSumOf(g, e.weight)).includes(algorithm)) continue;
    count++;
    const { bytes, summed, floats } = run(backend, e, algorithm);
    const filler = toByte(0, e.range.zero, e.range.low, e.range.high);
    const title = describeGeometry(g);
    expect(same(bytes, padded(e.bytes, g.outChannels, filler)), `${title}: bytes`).toBe(true);
    expect(same(unpadded(summed, g.outChannels), e.summed), `${title}: with a residual`).toBe(true);
    expect(same(floats, e.floats), `${title}: floats`).toBe(true);
  }
  return count;
}

describe.each(backendKinds)("convolutions of bytes, $name", (kind) => {
  it.each(algorithms)("are, by %s, what whole numbers are, bit for bit", async (algorithm) => {
    const backend = await kind.create(2);
    expect(tryAll(backend, algorithm, cases)).toBeGreaterThan(2);
    expect(backend.memory.usedWords).toBe(0);
    backend.dispose();
  });

  it.each([1, 3])("are the same on %i threads", async (threads) => {
    const backend = await kind.create(threads);
    for (const algorithm of algorithms) tryAll(backend, algorithm, wideCases);
    backend.dispose();
  });
});

it("has run every kernel of convolutions of bytes, of which all give the same bits everywhere", () => {
  const kernels = readKernels().filter(({ name }) => name.startsWith("conv_u8_"));
  expect(kernels.map(({ name }) => name).filter((name) => !ran.has(name))).toEqual([]);
  for (const { name, bits } of kernels) expect(bits, name).toBe("all");
});

describe("the choice of an algorithm", () => {
  const target = { lanes: 16, panelColumns: 32, microRows: 8, threads: 2, multipliesBytes: false };
  const g = convGeometry({ height: 14, width: 14, inChannels: 192, outChannels: 192, kernel: 3, padding: 1 });

  it("is Winograd's where bytes are not multiplied as they are, as far as it holds the weights' sums", () => {
    expect(planByteConv(g, target, 263_172).algorithm).toBe("winograd4");
    expect(byteConvAlgorithms(g, target, 263_173)).toEqual(["igemm", "winograd2"]);
    expect(() => planByteConv(g, target, 263_173, "winograd4")).toThrow(
      "winograd4 cannot do this convolution of bytes",
    );
  });

  it("does not depend on batch and threads", () => {
    for (const batch of [1, 7])
      for (const threads of [1, 5])
        expect(planByteConv({ ...g, batch }, { ...target, threads }, 1000).algorithm).toBe("winograd4");
  });

  it("refuses sums that no int32 holds", () => {
    expect(byteConvAlgorithms(g, target, largestWeightSum)).toContain("igemm");
    expect(() => planByteConv(g, target, largestWeightSum + 1)).toThrow(
      /weights .* sum of magnitudes of at most 4210752/,
    );
  });
});
