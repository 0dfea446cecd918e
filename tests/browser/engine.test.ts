import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { type OpenedPage, openLibrary, startSite } from "./support.js";

describe.each([
  { where: "an isolated page, in a worker", isolated: true, worker: true },
  { where: "an isolated page, on its own thread", isolated: true, worker: false },
  { where: "any other page, in a worker", isolated: false, worker: true },
  { where: "any other page, on its own thread", isolated: false, worker: false },
])("the engine of $where", ({ isolated, worker }) => {
  let site: RunningSite;
  let opened: OpenedPage;
  beforeAll(async () => {
    site = await startSite({ isolated });
    opened = await openLibrary(site);
  });
  afterAll(async () => {
    await opened?.close();
    await site.close();
  });

  it("classifies, folds, compares, shows and saves a net", async () => {
    const result = await opened.page.evaluate(async (inWorker) => {
      const { createEngine, createLocalEngine } = window.repvgg;
      const engine = await (inWorker ? createEngine : createLocalEngine)({ threads: 2 });
      const net = await engine.create("nano", { seed: 3 });
      const picture = new ImageData(40, 30);
      for (let i = 0; i < picture.data.length; i++) picture.data[i] = i % 4 === 3 ? 255 : (i * 7) % 256;
      const before = await net.classify(picture);
      const { net: plain, report } = await net.fold();
      const after = await plain.classify(picture, { topK: 3 });
      const verification = await net.verify(plain, { pictures: [picture] });
      const algebra = await net.blockAlgebra("stage1.1", { outChannels: [0, 4], inChannels: [0, 4] });
      const plan = await net.plan();
      const file = await plain.save("safetensors");
      const again = await engine.load(file);
      const reloaded = await again.classify(picture);
      const { kernels } = engine;
      engine.dispose();
      return {
        kernels,
        info: net.info,
        before,
        after,
        report: { before: report.nodesBefore, after: report.nodesAfter },
        verification: { agree: verification.agree, max: verification.outputs.maxAbsolute },
        stages: algebra.branches.map(({ branch, stages }) => [
          branch,
          ...stages.map(({ stage, size }) => `${stage} ${size[0]}`),
        ]),
        shown: algebra.sum.weight.length,
        steps: plan.report.steps.length,
        reloaded: [...reloaded.logits],
      };
    }, worker);
    expect(result.kernels.threads).toBe(isolated ? 2 : 1);
    expect(result.kernels.notes).toHaveLength(isolated ? 0 : 1);
    expect(result.info).toMatchObject({ name: "nano", form: "train", blocks: { length: 7 } });
    expect(result.before.predictions).toHaveLength(5);
    expect(result.after.predictions.map(({ classIndex }) => classIndex)).toEqual(
      result.before.predictions.slice(0, 3).map(({ classIndex }) => classIndex),
    );
    expect(result.verification.agree).toBe(true);
    expect(result.verification.max).toBeLessThan(1e-4);
    expect(result.report.after).toBeLessThan(result.report.before);
    expect(result.stages).toEqual([
      ["dense", "stored 3", "normalized 3"],
      ["pointwise", "stored 1", "normalized 1", "padded 3"],
      ["identity", "stored 1", "normalized 1", "padded 3"],
    ]);
    expect(result.shown).toBe(4 * 4 * 9);
    expect(result.steps).toBeGreaterThan(7);
    expect(result.reloaded).toEqual(Object.values(result.after.logits));
    expect(opened.errors).toEqual([]);
  });
});

describe("relaxed SIMD", () => {
  it.each([true, false])("is chosen by the caller, where the page is isolated (%s)", async (isolated) => {
    const site = await startSite({ isolated });
    const { page, errors, close } = await openLibrary(site);
    const seen = await page.evaluate(async () => {
      const engine = await window.repvgg.createEngine({ relaxed: "auto", threads: 1 });
      const net = await engine.create("tiny", { statistics: "seeded" });
      const picture = new ImageData(
        Uint8ClampedArray.from({ length: 4 * 28 * 28 }, (_, i) => (i * 13) % 256),
        28,
      );
      const auto = engine.kernels;
      const { logits: fused } = await net.classify(picture);
      const off = await engine.use({ threads: 1 });
      const { logits } = await net.classify(picture);
      const refused = await engine.use({ relaxed: "on" }).catch((error: Error) => error.message);
      return { auto, off, refused, fused: [...fused], logits: [...logits] };
    });
    expect(seen.off).toMatchObject({ name: "wasm simd", relaxed: false });
    expect(seen.auto).toMatchObject({ relaxed: isolated, relaxedAvailable: isolated });
    if (isolated) expect(seen.auto.name).toBe("wasm simd+threads+relaxed");
    else
      expect(seen.refused).toMatch(/^expected WebAssembly with relaxed SIMD, received a page that is not cross-origin/);
    seen.fused.forEach((logit, i) => {
      expect(Math.abs(logit - seen.logits[i]!)).toBeLessThan(1e-4);
    });
    expect(errors).toEqual([]);
    await close();
    await site.close();
  });
});
