import { describe, expect, it } from "vitest";
import { counts } from "#repvgg/analysis/counts.js";
import { node, valueInfo } from "#repvgg/graph/build.js";
import { type Net, netOf, type Profile, profile, profileReport, reportPage, repvgg } from "#repvgg/index.js";
import { memoryText } from "#repvgg/studies/profile/text.js";
import { profileZoo } from "#repvgg/studies/profile/zoo.js";
import { zooReport } from "#repvgg/studies/profile/zoo-page.js";
import { htmlErrors } from "../report/html.js";
import { hostile } from "../report/sample.js";

describe("a net's profile", () => {
  it("has the counts of both forms, on every kind of kernels", async () => {
    const model = repvgg("nano");
    const result = await profile(model, { threads: 1, repeats: 3 });
    const expected = counts(model.architecture, 28);
    expect(result.backends.length).toBeGreaterThan(0);
    for (const { forms } of result.backends) {
      const [train, plain] = forms.map(({ total }) => total);
      expect(train).toMatchObject({ parameters: expected.parameters.train, macs: expected.macs.train });
      expect(plain).toMatchObject({
        parameters: expected.parameters.plain,
        macs: expected.macs.plain,
        winogradMultiplications: expected.winogradMultiplications,
      });
      for (const { layers, total, steps } of forms) {
        for (const part of ["macs", "bytesRead", "bytesWritten", "multiplications"] as const) {
          expect(layers.reduce((sum, layer) => sum + layer[part], 0)).toBe(total[part]);
        }
        expect(steps.every(({ milliseconds }) => milliseconds >= 0)).toBe(true);
        expect(total.milliseconds).toBeGreaterThan(0);
      }
      for (const { path, macs } of expected.layers) {
        const found = forms.map(({ layers }) => layers.find(({ layer }) => layer === path)!.macs);
        expect(found).toEqual([macs.train, macs.plain]);
      }
    }
    expect(result.memory.map(({ form }) => form)).toEqual([
      "training form",
      "plain form",
      "training form, BatchNorm fused",
    ]);
    expect(memoryText(result.memory).filter((line) => line.includes("peak"))).toHaveLength(3);
    expectPage(result);
  });

  it("of a net that does not fold has one form", async () => {
    const model = repvgg("nano", { block: "relu-in-branches" });
    const result = await profile(model, { threads: 1, repeats: 1, kernels: ["wasm"] });
    expect(result.backends[0]!.forms.map(({ form }) => form)).toEqual(["training form"]);
    expectPage(result);
  });

  it("of a graph names its layers after its nodes, whatever they are called", async () => {
    const weight = { dtype: "f32", shape: [4, 3, 3, 3], data: new Float32Array(108) } as const;
    const graph = {
      name: "g",
      inputs: [valueInfo("x", ["batch", 3, 8, 8])],
      outputs: [valueInfo("y", ["batch", 4, 6, 6])],
      nodes: [node("Conv", hostile, ["x", "w"], ["c"]), node("Relu", "relu", ["c"], ["y"])],
      initializers: new Map([["w", weight]]),
    };
    const net: Net = { graph, source: { format: "onnx", notes: [] } };
    const result = await profile(net, { threads: 1, repeats: 1, kernels: ["wasm"], name: hostile });
    const [form] = result.backends[0]!.forms;
    expect(form!.layers.map(({ layer, parameters }) => [layer, parameters])).toContainEqual([hostile, 108]);
    expectPage(result);
  });

  it("says what processes really used: what the plan says", async () => {
    const model = repvgg("nano");
    const { used } = await profile(model, { threads: 1, repeats: 1, checkMemory: true });
    expect(used!.map(({ form }) => form)).toEqual(["training form", "plain form", "training form, BatchNorm fused"]);
    for (const { plannedBytes, arenaBytes, writtenBytes, growth } of used!) {
      expect(arenaBytes).toBeGreaterThanOrEqual(plannedBytes);
      expect(writtenBytes).toBeLessThanOrEqual(arenaBytes);
      expect(writtenBytes).toBeGreaterThan(0.95 * arenaBytes);
      if (growth) expect(Math.abs(growth.usedBytes / growth.plannedBytes - 1)).toBeLessThan(0.05);
    }
  }, 120_000);
});

function expectPage(result: Profile): void {
  const page = reportPage(profileReport(result, [`repvgg profile ${hostile}`]));
  expect(htmlErrors(page)).toEqual([]);
  expect(page).not.toMatch(/<script|NaN|undefined/);
}

describe("the zoo beside the paper", () => {
  const rows = profileZoo();

  it("agrees wherever the paper has figures", () => {
    const compared = rows.filter(({ paper }) => paper);
    expect(compared.map(({ name }) => name)).toEqual([
      ...["A0", "A1", "A2", "B0", "B1", "B1g2", "B1g4", "B2", "B2g4", "B3", "B3g4"],
    ]);
    for (const { name, agrees } of compared) expect([name, agrees]).toEqual([name, true]);
  });

  it("is a page", () => {
    const page = reportPage(zooReport(rows));
    expect(htmlErrors(page)).toEqual([]);
    expect(page).toContain("11 of the 11 nets");
  });
});

it("netOf a model is what profile takes a model for", async () => {
  const model = repvgg("nano", { form: "plain" });
  const options = { threads: 1, repeats: 1, kernels: ["wasm"] as const };
  const [a, b] = [await profile(model, options), await profile(netOf(model), options)];
  const facts = (p: Profile) =>
    p.backends[0]!.forms.map(({ form, layers }) => [form, layers.map(({ layer }) => layer)]);
  expect(facts(a)).toEqual(facts(b));
  expect(facts(a)[0]![0]).toBe("plain form");
});
