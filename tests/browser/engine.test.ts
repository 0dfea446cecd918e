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
