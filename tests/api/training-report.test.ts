import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { memoryDataset, sharedBytes } from "#repvgg/data/memory-dataset.js";
import { type Dataset, evaluate, repvgg, resume, type TrainAndTest, type TrainOptions, train } from "#repvgg/index.js";
import { htmlErrors } from "../report/html.js";
import { smallNet, someFashion } from "./support.js";

const backend = await createBackend({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), "repvgg-report-"));
afterAll(() => {
  backend.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const hostile = '<script>alert("x")</script>';

/** The same pictures, with a class whose name is markup. */
async function renamed(dataset: Dataset): Promise<Dataset> {
  const pixels = sharedBytes(dataset.length * 784);
  for (let i = 0; i < dataset.length; i++) pixels.set((await dataset.read(i)).data, i * 784);
  const labels = Array.from({ length: dataset.length }, (_, i) => dataset.label(i));
  const classNames = [hostile, ...dataset.classNames.slice(1)];
  return memoryDataset({ name: dataset.name, classNames, channels: 1, height: 28, width: 28, pixels, labels });
}

describe("the report of a training run", () => {
  let sets: TrainAndTest;
  const options: TrainOptions = { epochs: 2, batchSize: 50, augmentation: "none", backend };

  beforeAll(async () => {
    const fashion = await someFashion({ train: 300, test: 100 });
    sets = { train: await renamed(fashion.train), test: await renamed(fashion.test) };
  });

  const pageOf = (out: string): string => readFileSync(join(out, "report.html"), "utf8");

  it("shows what the run came to, and hostile names as text", async () => {
    const out = join(folder, "run");
    const { model, epochs, test, chosen, warnings } = await train(smallNet(sets.train), sets, { ...options, out });
    const page = pageOf(out);
    expect(htmlErrors(page)).toEqual([]);
    expect(page).not.toContain("<script");
    expect(page).toContain("&#60;script&#62;alert(&#34;x&#34;)");
    const { top1, mistakes } = await evaluate(model, sets.test, { backend });
    expect(top1).toBe(test!.top1);
    expect(chosen).toBe(epochs.at(-1));
    expect(page).toContain(`${(100 * top1).toFixed(2)} %`);
    expect(page.match(/<img src="data:image\/png/g)).toHaveLength(Math.min(24, mistakes.length));
    for (const heading of ["Curves", "Classes", "Mistakes", "Folding", "Time and memory of one picture"]) {
      expect(page).toMatch(new RegExp(`<h2 id="part-\\d+">${heading}</h2>`));
    }
    expect(page).toContain("Kernels of stage1.0, before and after");
    expect(page).toContain("the net gives the same answers on 64 pictures");
    expect(warnings).toEqual([]);
    expect(page).toMatch(
      /After \d+ steps the initial values still weighed in BatchNorm&#39;s statistics: they were recalibrated/,
    );
    expect(statSync(join(out, "report.html")).size).toBeLessThan(2 ** 20);

    rmSync(join(out, "report.html"));
    await resume(out, { backend }, sets);
    expect(htmlErrors(pageOf(out))).toEqual([]);
  });

  it("of a run that was stopped is made when it is resumed", async () => {
    const out = join(folder, "stopped");
    const stop = new AbortController();
    const begun = train(smallNet(sets.train), sets, {
      ...options,
      out,
      signal: stop.signal,
      onStep: ({ step }) => step === 8 && stop.abort(),
    });
    expect((await begun).interrupted).toBe(true);
    expect(existsSync(join(out, "report.html"))).toBe(false);
    const { epochs } = await resume(out, { backend }, sets);
    expect(pageOf(out)).toContain(
      `recognised by the net of epoch ${epochs.length}, the last. They were looked at once`,
    );
  });

  it("is left out when asked, and of nets whose blocks do not fold says so", async () => {
    const without = join(folder, "without");
    await train(smallNet(sets.train), sets, { ...options, epochs: 1, out: without, report: false });
    expect(existsSync(join(without, "model.safetensors"))).toBe(true);
    expect(existsSync(join(without, "report.html"))).toBe(false);

    const out = join(folder, "unfoldable");
    const net = repvgg(
      { depths: [1], widths: [8, 8], strides: [2, 2], block: "relu-in-branches" },
      { classNames: sets.train.classNames, inputChannels: 1, inputSize: 28 },
    );
    await train(net, sets, { ...options, epochs: 1, out });
    expect(htmlErrors(pageOf(out))).toEqual([]);
    expect(pageOf(out)).toContain("they do not fold");
  });

  it("that cannot be made does not fail the run", async () => {
    const out = join(folder, "blocked");
    mkdirSync(join(out, "report.html", "in-the-way"), { recursive: true });
    const remarks: string[] = [];
    const onRemark = (sentence: string) => void remarks.push(sentence);
    const { interrupted } = await train(smallNet(sets.train), sets, { ...options, epochs: 1, out, onRemark });
    expect(interrupted).toBe(false);
    expect(existsSync(join(out, "model.safetensors"))).toBe(true);
    expect(remarks.at(-1)).toMatch(/^! .*report\.html could not be made: /);
  });
});
