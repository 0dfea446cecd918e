import { describe, expect, it } from "vitest";
import { checkGraphStatistics, checkStatistics, describeStatistics } from "#repvgg/analysis/diagnosis/statistics.js";
import { deferredArray } from "#repvgg/core/deferred-array.js";
import { f32, type NamedArray, type NamedArrays } from "#repvgg/core/named-arrays.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { diagnose } from "#repvgg/verify/diagnose.js";
import { oracleNets, oracleState } from "../../nn/oracles.js";

const state = await oracleState("tiny", "train");
const path = "stage2.1.rbr_1x1.bn";

function changed(parts: Record<string, NamedArray>): { state: NamedArrays } {
  const entries = Object.entries(parts).map(([name, array]) => [`${path}.${name}`, array] as const);
  return { state: new Map([...state, ...entries]) };
}

const channels = state.get(`${path}.running_var`)!.shape[0]!;
const count = (batches: bigint): NamedArray => ({ dtype: "i64", shape: [], data: BigInt64Array.of(batches) });
const filled = (value: number): NamedArray => f32([channels], new Float32Array(channels).fill(value));

describe("checkStatistics", () => {
  it.each(Object.keys(oracleNets))(
    "finds nothing in %s, whose counters are 0 but whose statistics are not",
    async (name) => {
      const trained = await oracleState(name, "train");
      expect(checkStatistics({ state: trained })).toEqual([]);
      expect(checkStatistics({ state: await oracleState(name, "plain") })).toEqual([]);
    },
  );

  it("finds every BatchNorm of a net that was never trained, and says it in one line", () => {
    const model = repvgg("nano", { seed: 1 });
    const warnings = checkStatistics(model);
    expect(warnings.length).toBe([...model.state.keys()].filter((name) => name.endsWith("running_var")).length);
    expect(new Set(warnings.map(({ problem }) => problem))).toEqual(new Set(["never-updated"]));
    const lines = describeStatistics(warnings);
    expect(lines.length).toBe(1);
    expect(lines[0]).toMatch(/never updated.*num_batches_tracked = 0.*more\)/);
    const graph = toGraph(model);
    const findings = diagnose(graph, graph, undefined, { reference: model });
    expect(findings.map(({ cause }) => cause)).toEqual(["rounding", "stale-statistics"]);
  });

  it.each([
    ["never-updated", { running_mean: filled(0), running_var: filled(1) }, /mean 0 and variance 1/],
    ["few-batches", { num_batches_tracked: count(10n) }, /10 batches only: the initial values still weigh 34.9 %/],
    ["tiny-variance", { running_var: filled(1e-9), weight: filled(1) }, /variance near 0 \(down to 1e-9\)/],
    ["invalid", { running_var: filled(-1) }, /negative/],
    ["invalid", { running_mean: filled(Number.NaN) }, /no number/],
  ])("%s", (problem, parts, message) => {
    const warnings = checkStatistics(changed(parts as Record<string, NamedArray>));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ path, problem });
    expect(warnings[0]!.message).toMatch(message);
  });

  it("lets enough batches and dead channels pass", () => {
    expect(checkStatistics(changed({ num_batches_tracked: count(1000n) }))).toEqual([]);
    const recalibrated = { provenance: { recalibratedOn: "pictures, 640 pictures" } };
    expect(checkStatistics({ ...changed({ num_batches_tracked: count(10n) }), metadata: recalibrated })).toEqual([]);
    expect(checkStatistics(changed({ running_var: filled(1e-12), weight: filled(1e-9) }))).toEqual([]);
  });

  it("measures a variance by the ε that is added to it", () => {
    const parts = changed({ running_var: filled(2e-6), weight: filled(1) });
    expect(checkStatistics(parts)).toEqual([]);
    expect(checkStatistics({ ...parts, architecture: { batchNormEpsilon: 1e-4 } })).toMatchObject([
      { problem: "tiny-variance" },
    ]);
    expect(checkStatistics({ ...parts, architecture: { batchNormEpsilon: { [path]: 1e-4 } } })).toHaveLength(1);
    expect(checkStatistics({ ...parts, architecture: { batchNormEpsilon: { other: 1e-4 } } })).toEqual([]);
    const zero = changed({ running_var: filled(0), weight: filled(1) });
    expect(checkStatistics({ ...zero, architecture: { batchNormEpsilon: 0 } })[0]).toMatchObject({
      problem: "tiny-variance",
    });
  });

  const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const half = (values: number[]): NamedArray => ({
    dtype: "f16",
    shape: [values.length],
    data: Uint16Array.from(values),
  });

  it.each<[string, NamedArray, number]>([
    ["float32", f32([4], Float32Array.of(1, ...bad)), 3],
    ["float64", { dtype: "f64", shape: [4], data: Float64Array.of(1, ...bad) }, 3],
    ["float16", half([0x3c00, 0x7c00, 0xfc00, 0x7e01, 0x7bff]), 3],
    ["bfloat16", { ...half([0x3f80, 0x7f80, 0xff80, 0x7fc0, 0x7f7f]), dtype: "bf16" } as NamedArray, 3],
    ["integers", { dtype: "i64", shape: [1], data: BigInt64Array.of(2n ** 62n) }, 0],
    ["the largest numbers", f32([2], Float32Array.of(3.4e38, -3.4e38)), 0],
  ])("counts numbers that are none in weights of %s", (_, array, count) => {
    const warnings = checkStatistics({ state: new Map([["linear.bias", array]]) });
    if (count === 0) return expect(warnings).toEqual([]);
    const message = `${count} of ${array.shape[0]} numbers are infinite or none (NaN)`;
    expect(warnings).toEqual([{ path: "linear.bias", problem: "not-finite", message }]);
  });

  it("in parts, of an array that is not in memory", () => {
    const length = 2 * (1 << 18) + 5;
    const lengths: number[] = [];
    const array = deferredArray("f32", [length], (target, from) => {
      lengths.push(target.length);
      for (let i = 0; i < target.length; i++) target[i] = from + i === length - 1 || from + i === 7 ? Number.NaN : 1;
    });
    const [warning] = checkStatistics({ state: new Map([["w", array]]) });
    expect(warning!.message).toBe(`2 of ${length} numbers are infinite or none (NaN)`);
    expect(lengths).toEqual([1 << 18, 1 << 18, 5]);
  });
});

describe("checkGraphStatistics", () => {
  const model = repvgg("nano", { seed: 1, statistics: "seeded" });
  const graph = toGraph(model);
  const spoilt = (name: string, change: (data: Float32Array) => void) => {
    const initializers = new Map(graph.initializers);
    const data = Float32Array.from(initializers.get(name)!.data as Float32Array);
    change(data);
    return { ...graph, initializers: initializers.set(name, f32([...initializers.get(name)!.shape], data)) };
  };

  it("finds in a graph of any origin what it finds in a model", () => {
    expect(checkGraphStatistics(graph)).toEqual([]);
    const fresh = repvgg("nano", { seed: 1 });
    const paths = (warnings: readonly { path: string }[]) => warnings.map((warning) => warning.path).sort();
    expect(paths(checkGraphStatistics(toGraph(fresh)))).toEqual(paths(checkStatistics(fresh)));
    const negative = spoilt("stage1.0.rbr_1x1.bn.running_var", (data) => data.fill(-1, 0, 2));
    expect(checkGraphStatistics(negative)).toMatchObject([{ path: "stage1.0.rbr_1x1.bn", problem: "invalid" }]);
    const infinite = spoilt("linear.weight", (data) => data.fill(Number.POSITIVE_INFINITY, 3, 4));
    expect(checkGraphStatistics(infinite)).toMatchObject([{ path: "linear.weight", problem: "not-finite" }]);
    const gamma = spoilt("stage0.rbr_dense.bn.weight", (data) => data.fill(Number.NaN, 0, 1));
    expect(checkGraphStatistics(gamma)).toMatchObject([{ path: "stage0.rbr_dense.bn.weight", problem: "not-finite" }]);
  });
});
