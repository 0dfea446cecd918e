import { extractFeatures, fold, repvgg } from "repvgg";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { type OpenedPage, openLibrary, startSite } from "./support.js";

let site: RunningSite;
let opened: OpenedPage;
beforeAll(async () => {
  site = await startSite();
  opened = await openLibrary(site);
});
afterAll(async () => {
  await opened?.close();
  await site.close();
});

const picture = {
  width: 28,
  height: 28,
  channels: 1 as const,
  data: Uint8Array.from({ length: 784 }, (_, i) => (i * 37) % 256),
};
const value = "stage1.1.rbr_reparam";

it("gives values inside a net as Node does, in both forms", async () => {
  const shown = await opened.page.evaluate(
    async ({ pixels, name }) => {
      const engine = await window.repvgg.createEngine({ threads: 2 });
      const net = await engine.create("nano", { seed: 5, statistics: "seeded" });
      const { net: plain } = await net.fold();
      const asked = { ...pixels, data: Uint8Array.from(pixels.data) };
      const [train, folded] = [await net.features(asked, [name]), await plain.features(asked, [name])];
      const refused = await net.features(asked, ["stage9"]).catch((error: Error) => `${error.name}: ${error.message}`);
      engine.dispose();
      return { train: [...train[name]!.data], plain: [...folded[name]!.data], shape: train[name]!.shape, refused };
    },
    { pixels: { ...picture, data: [...picture.data] }, name: value },
  );
  const model = repvgg("nano", { seed: 5, statistics: "seeded" });
  const expected = (await extractFeatures(model, picture, [value]))[value]!;
  const expectedPlain = (await extractFeatures(fold(model), picture, [value]))[value]!;
  expect(shown.shape).toEqual(expected.shape);
  expect(largestDifference(shown.train, expected.data)).toBeLessThan(1e-4);
  expect(largestDifference(shown.plain, expectedPlain.data)).toBeLessThan(1e-4);
  expect(shown.refused).toMatch(/^UserError: expected a feature .*received "stage9"/);
  expect(opened.errors).toEqual([]);
});

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a, (x, i) => Math.abs(x - b[i]!)).reduce((most, x) => Math.max(most, x), 0);
}
