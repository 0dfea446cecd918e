import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { Backend, KernelCall, Pointer } from "#repvgg/backend/backend.js";
import {
  type ConvRole,
  convAlgorithms,
  planConvBackwardData,
  planConvBackwardWeight,
  planConvForward,
} from "#repvgg/backend/conv/plan.js";
import type { KernelName } from "#repvgg/backend/kernels.generated.js";
import { type ConvGeometry, convGeometry } from "#repvgg/core/conv-geometry.js";
import { halfToNumber, numberToHalf } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { equalities, readKernels } from "../../scripts/kernel-list.mjs";
import { alike, backendKinds } from "./backends.js";
import { convGeometries, describeGeometry } from "./conv-geometries.js";
import {
  inputLength,
  naiveBackwardData,
  naiveBackwardWeight,
  naiveForward,
  outputLength,
  relativeError,
  weightLength,
} from "./conv-oracle.js";
import { hashOf } from "./run-case.js";

/** max |Δ| / max |reference| */
const tolerance = 1e-5;

/** What stands around results, to notice what is written outside; and in results and workspaces beforehand. */
const guard = 12345.678;
const guardWords = 64;

/** The same kernels on 1, 2 and 3 threads. */
const kinds = await Promise.all(
  backendKinds.map(async ({ name, create }) => ({ name, backends: await Promise.all([1, 2, 3].map(create)) })),
);

afterAll(() => {
  for (const backend of kinds.flatMap(({ backends }) => backends)) backend.dispose();
});

/** Runs calls on memory that is filled, freed and checked for writes beyond the result. */
class Bench {
  readonly #pointers: Pointer[] = [];
  constructor(readonly backend: Backend) {}

  put(values: ArrayLike<number>): Pointer {
    const pointer = this.room(values.length);
    this.backend.f32(pointer, values.length).set(values);
    return pointer;
  }

  /** Room for `words` words between guards, NaN at first: what is read before it is written shows. */
  room(words: number): Pointer {
    const start = this.backend.allocate(words + 2 * guardWords);
    this.#pointers.push(start);
    this.backend.f32(start, words + 2 * guardWords).fill(guard);
    this.backend.f32(start + guardWords, words).fill(Number.NaN);
    return start + guardWords;
  }

  take(pointer: Pointer, words: number): Float32Array {
    const around = this.backend.f32(pointer - guardWords, words + 2 * guardWords);
    const outside = [...around.subarray(0, guardWords), ...around.subarray(guardWords + words)];
    expect(outside.every((value) => value === Math.fround(guard))).toBe(true);
    return around.slice(guardWords, guardWords + words);
  }

  run(calls: readonly KernelCall[]): void {
    for (const { kernel } of calls) kernelsRun.add(kernel);
    this.backend.run(calls);
  }

  free(): void {
    for (const pointer of this.#pointers) this.backend.free(pointer);
  }
}

/** Kernels that ran in a test. */
const kernelsRun = new Set<KernelName>();
beforeEach(() => kernelsRun.clear());

/** By what was computed: the kernels that did it on any kind of backend, and the hash of the result by kind. */
const seen = new Map<string, { readonly kernels: Set<KernelName>; readonly hashes: Map<string, string> }>();

function note(what: string, kind: string, result: Float32Array): void {
  const entry = seen.get(what) ?? { kernels: new Set(), hashes: new Map() };
  seen.set(what, entry);
  for (const kernel of kernelsRun) entry.kernels.add(kernel);
  entry.hashes.set(kind, hashOf([result]));
}

function random(rng: Rng, length: number): Float32Array {
  return Float32Array.from({ length }, () => rng.uniform(-1, 1));
}

interface Extras {
  compactWeights?: boolean;
  halfWeights?: boolean;
  bias?: Float32Array;
  relu?: boolean;
  accumulate?: Float32Array;
}

function runPlan(
  backend: Backend,
  role: "forward" | "backward-data",
  algorithm: string | undefined,
  g: ConvGeometry,
  input: Float32Array,
  weight: Float32Array,
  extras: Extras = {},
): Float32Array {
  const { lanes, panelColumns, microRows, threads } = backend;
  const { compactWeights = false, halfWeights = false } = extras;
  const target = { lanes, panelColumns, microRows, threads, compactWeights, halfWeights };
  const plan = (role === "forward" ? planConvForward : planConvBackwardData)(g, target, algorithm);
  if (algorithm !== undefined) expect(plan.algorithm).toBe(algorithm);
  const bench = new Bench(backend);
  const packed = bench.room(plan.packedWords);
  bench.run(plan.pack(bench.put(weight), packed));
  const length = role === "forward" ? outputLength(g) : inputLength(g);
  const output = extras.accumulate ? bench.put(extras.accumulate) : bench.room(length);
  const workspace = bench.room(plan.workspaceWords);
  bench.run(
    plan.run({
      input: bench.put(input),
      packed,
      output,
      workspace,
      ...(extras.bias && { bias: bench.put(extras.bias) }),
      ...(extras.relu && { relu: true }),
      ...(extras.accumulate && { accumulate: true }),
    }),
  );
  bench.take(packed, plan.packedWords);
  bench.take(workspace, plan.workspaceWords);
  const result = bench.take(output, length);
  bench.free();
  return result;
}

/** Whether weights are kept compact: only Winograd's algorithm has another form. */
function weightForms(algorithm: string): boolean[] {
  return algorithm.startsWith("winograd") ? [false, true] : [false];
}

function runWeightPlan(
  backend: Backend,
  algorithm: string | undefined,
  g: ConvGeometry,
  input: Float32Array,
  outputGradient: Float32Array,
  accumulate?: Float32Array,
): Float32Array {
  const plan = planConvBackwardWeight(g, backend, algorithm);
  if (algorithm !== undefined) expect(plan.algorithm).toBe(algorithm);
  const bench = new Bench(backend);
  const weightGradient = accumulate ? bench.put(accumulate) : bench.room(weightLength(g));
  const workspace = bench.room(plan.workspaceWords);
  bench.run(
    plan.run({
      input: bench.put(input),
      outputGradient: bench.put(outputGradient),
      weightGradient,
      workspace,
      ...(accumulate && { accumulate: true }),
    }),
  );
  bench.take(workspace, plan.workspaceWords);
  const result = bench.take(weightGradient, weightLength(g));
  bench.free();
  return result;
}

const roles: readonly ConvRole[] = ["forward", "backward-data", "backward-weight"];

describe.each(kinds)("$name", ({ name: kind, backends }) => {
  /** The same bits from 1, 2 and 3 threads; gives them. */
  function onAllThreads(run: (backend: Backend) => Float32Array): Float32Array {
    const [first, ...others] = backends.map(run);
    for (const other of others) expect(Buffer.compare(Buffer.from(first!.buffer), Buffer.from(other.buffer))).toBe(0);
    return first!;
  }

  describe.each(roles)("%s", (role) => {
    const cases = convGeometries.flatMap((g, index) =>
      convAlgorithms(g, role, backends[0]!).map((algorithm) => ({
        title: `${algorithm}: ${describeGeometry(g)}`,
        g,
        algorithm,
        index,
      })),
    );

    it.each(cases)("$title", ({ title, g, algorithm, index }) => {
      const rng = new Rng(index + 1);
      const x = random(rng, inputLength(g));
      const w = random(rng, weightLength(g));
      const dy = random(rng, outputLength(g));
      if (role === "forward") {
        const bias = random(rng, g.outChannels);
        const before = random(rng, outputLength(g));
        const expected = naiveForward(g, x, w);
        for (const compactWeights of weightForms(algorithm)) {
          const plain = onAllThreads((backend) => runPlan(backend, role, algorithm, g, x, w, { compactWeights }));
          expect(relativeError(plain, expected)).toBeLessThanOrEqual(tolerance);
          note(`${role} ${title}, ${compactWeights ? "compact" : "packed"} weights`, kind, plain);
        }
        const full = expected.map((value, i) => Math.max(0, value + bias[i % g.outChannels]! + before[i]!));
        const extras = { bias, relu: true, accumulate: before };
        const fused = onAllThreads((backend) => runPlan(backend, role, algorithm, g, x, w, extras));
        expect(relativeError(fused, full)).toBeLessThanOrEqual(tolerance);
      } else if (role === "backward-data") {
        const before = random(rng, inputLength(g));
        const expected = naiveBackwardData(g, dy, w);
        for (const compactWeights of weightForms(algorithm)) {
          const plain = onAllThreads((backend) => runPlan(backend, role, algorithm, g, dy, w, { compactWeights }));
          expect(relativeError(plain, expected)).toBeLessThanOrEqual(tolerance);
          note(`${role} ${title}, ${compactWeights ? "compact" : "packed"} weights`, kind, plain);
        }
        const added = expected.map((value, i) => value + before[i]!);
        const accumulated = onAllThreads((backend) =>
          runPlan(backend, role, algorithm, g, dy, w, { accumulate: before }),
        );
        expect(relativeError(accumulated, added)).toBeLessThanOrEqual(tolerance);
      } else {
        const before = random(rng, weightLength(g));
        const expected = naiveBackwardWeight(g, x, dy);
        const plain = onAllThreads((backend) => runWeightPlan(backend, algorithm, g, x, dy));
        expect(relativeError(plain, expected)).toBeLessThanOrEqual(tolerance);
        note(`${role} ${title}`, kind, plain);
        const added = expected.map((value, i) => value + before[i]!);
        const accumulated = onAllThreads((backend) => runWeightPlan(backend, algorithm, g, x, dy, before));
        expect(relativeError(accumulated, added)).toBeLessThanOrEqual(tolerance);
      }
    });
  });

  describe.skipIf(!backends[0]!.readsHalves).each(["forward", "backward-data"] as const)(
    "float16 weights, %s",
    (role) => {
      const cases = convGeometries.flatMap((g, index) =>
        convAlgorithms(g, role, backends[0]!)
          .filter((algorithm) => algorithm !== "depthwise")
          .map((algorithm) => ({ title: `${algorithm}: ${describeGeometry(g)}`, g, algorithm, index })),
      );

      it.each(cases)("$title", ({ g, algorithm, index }) => {
        const rng = new Rng(index + 1);
        const input = random(rng, role === "forward" ? inputLength(g) : outputLength(g));
        const w = random(rng, weightLength(g));
        const rounded = w.map((value) => halfToNumber(numberToHalf(value)));
        for (const compactWeights of weightForms(algorithm)) {
          const halves = onAllThreads((backend) =>
            runPlan(backend, role, algorithm, g, input, w, { compactWeights, halfWeights: true }),
          );
          const plain = (weights: Float32Array) =>
            onAllThreads((backend) => runPlan(backend, role, algorithm, g, input, weights, { compactWeights }));
          // Points are rounded after the transform, which the last one amplifies (largest seen: 2.9e-3).
          if (algorithm === "igemm" || compactWeights) expect(halves).toEqual(plain(rounded));
          else expect(relativeError(halves, Float64Array.from(plain(w)))).toBeLessThanOrEqual(5e-3);
        }
      });
    },
  );

  describe("gradients", () => {
    // L = Σ r · y for random r is linear in x and in w alone, so central differences are exact but for rounding.
    const g = convGeometries.find((c) => c.batch === 3 && c.height === 9 && c.width === 13)!;

    it("agree with finite differences of the forward pass", () => {
      const rng = new Rng(7);
      const x = random(rng, inputLength(g));
      const w = random(rng, weightLength(g));
      const r = random(rng, outputLength(g));
      const backend = backends[0]!;
      const loss = (input: Float32Array, weight: Float32Array): number =>
        runPlan(backend, "forward", undefined, g, input, weight).reduce((sum, value, i) => sum + value * r[i]!, 0);
      const slope = (values: Float32Array, index: number, at: (values: Float32Array) => number): number => {
        const [up, down] = [1, -1].map((step) => at(values.map((value, i) => (i === index ? value + step : value))));
        return (up! - down!) / 2;
      };
      const dx = runPlan(backend, "backward-data", undefined, g, r, w);
      const dw = runWeightPlan(backend, undefined, g, x, r);
      for (let k = 0; k < 12; k++) {
        const [i, j] = [rng.int(x.length), rng.int(w.length)];
        expect(Math.abs(slope(x, i, (v) => loss(v, w)) - dx[i]!)).toBeLessThan(1e-3);
        expect(Math.abs(slope(w, j, (v) => loss(x, v)) - dw[j]!)).toBeLessThan(1e-3);
      }
    });
  });

  describe("layers that are cut in many tasks", () => {
    const layers = [
      convGeometry({ batch: 5, height: 13, width: 13, inChannels: 36, outChannels: 40, kernel: 3, padding: 1 }),
      convGeometry({ batch: 5, height: 14, width: 14, inChannels: 132, outChannels: 24, kernel: 3, padding: 1 }),
      convGeometry({ batch: 1, height: 4, width: 4, inChannels: 264, outChannels: 104, kernel: 3, padding: 1 }),
      convGeometry({
        batch: 5,
        height: 6,
        width: 6,
        inChannels: 72,
        outChannels: 264,
        kernel: 3,
        stride: 2,
        padding: 1,
      }),
      convGeometry({ batch: 70, height: 1, width: 1, inChannels: 300, outChannels: 200, kernel: 1 }),
    ];

    it.each(layers.map((g) => ({ title: describeGeometry(g), g })))("$title", ({ g }) => {
      const rng = new Rng(1);
      const [x, w, dy] = [random(rng, inputLength(g)), random(rng, weightLength(g)), random(rng, outputLength(g))];
      const y = onAllThreads((backend) => runPlan(backend, "forward", undefined, g, x, w));
      expect(relativeError(y, naiveForward(g, x, w))).toBeLessThanOrEqual(tolerance);
      const dx = onAllThreads((backend) => runPlan(backend, "backward-data", undefined, g, dy, w));
      expect(relativeError(dx, naiveBackwardData(g, dy, w))).toBeLessThanOrEqual(tolerance);
      const dw = onAllThreads((backend) => runWeightPlan(backend, undefined, g, x, dy));
      expect(relativeError(dw, naiveBackwardWeight(g, x, dy))).toBeLessThanOrEqual(tolerance);
    });
  });
});

describe("builds", () => {
  it("give the same bits as far as kernels.def says of the kernels that ran", () => {
    const bitsOf = new Map(readKernels().map(({ name, bits }) => [name, bits]));
    const ran = new Set<KernelName>();
    const broken = [...seen].flatMap(([what, { kernels, hashes }]) => {
      for (const kernel of kernels) ran.add(kernel);
      const weakest = equalities.findLast((bits) => [...kernels].some((kernel) => bitsOf.get(kernel) === bits))!;
      // Where tiles are larger, some algorithms do not apply.
      const groups = alike(weakest).map((kinds) => kinds.filter((kind) => hashes.has(kind)));
      return groups
        .filter((kinds) => new Set(kinds.map((kind) => hashes.get(kind))).size > 1)
        .map((kinds) => `${what}: ${kinds.join(", ")}`);
    });
    expect(broken).toEqual([]);
    // Those of bytes: byte-conv.test.ts.
    const convolutions = [...bitsOf.keys()].filter((name) => /^conv_(?!u8_)/.test(name));
    expect(convolutions.filter((name) => !ran.has(name))).toEqual([]);
  });
});
