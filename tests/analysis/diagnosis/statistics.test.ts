import { describe, expect, it } from "vitest";
import { diagnose } from "#repvgg/analysis/diagnosis/diagnose.js";
import { checkStatistics, describeStatistics } from "#repvgg/analysis/diagnosis/statistics.js";
import { f32, type NamedArray, type NamedArrays } from "#repvgg/core/named-arrays.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
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
});
