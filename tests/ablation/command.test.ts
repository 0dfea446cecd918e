import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { AblationRun, AblationSummary } from "#repvgg/analysis/ablation/summary.js";
import { fashionPictures, fileFolder, oneLine, repvgg, repvggJson } from "../cli/support.js";
import { htmlErrors } from "../report/html.js";

type Report = AblationSummary & { out: string; remaining: number; interrupted: boolean };

const folder = fileFolder();
const small = ["--depths", "1", "--widths", "8,8", "--strides", "2,1", "--epochs", "2", "--batch-size", "20"];
const runs = ["base", "trivial", "relu-in-branches"].map((variant) => join(variant, "seed-0"));
const chosen = ["--variants", "trivial,relu-in-branches", "--seeds", "1"];
const reference = join(folder, "reference");
let pictures: string;
let summary: Report;

const result = (out: string, run: string): AblationRun =>
  JSON.parse(readFileSync(join(out, run, "result.json"), "utf8"));

beforeAll(async () => {
  pictures = await fashionPictures(folder, { train: 200, test: 50 });
  summary = await repvggJson(["ablate", pictures, ...small, ...chosen, "--out", reference]);
});

describe("repvgg ablate", () => {
  it("trains every variant in a run of its own, folds what folds and measures", () => {
    expect(summary).toMatchObject({ out: reference, remaining: 0, interrupted: false });
    expect(summary.variants.map(({ variant }) => variant.name)).toEqual(["base", "relu-in-branches", "trivial"]);
    for (const { runs: own, variant, timeRatio, memoryRatio } of summary.variants) {
      expect(own).toHaveLength(1);
      const { top1, foldedTop1, unfoldable, parameters } = own[0]!;
      expect(top1).toBeGreaterThanOrEqual(0);
      if (variant.name === "relu-in-branches") expect(unfoldable).toContain("a ReLU stands in each branch");
      else expect([foldedTop1, unfoldable]).toEqual([top1, null]);
      expect(parameters.train).toBeGreaterThan(parameters.plain);
      expect(timeRatio).toBeGreaterThan(0);
      expect(memoryRatio).toBeGreaterThan(0);
    }
  });

  it("leaves a report that is valid, and results with the command that made them", () => {
    const html = readFileSync(join(reference, "report.html"), "utf8");
    expect(htmlErrors(html)).toEqual([]);
    expect(html).toContain("Trivial re-param (W + I)");
    expect(html).not.toMatch(/NaN|undefined/);
    const results = JSON.parse(readFileSync(join(reference, "results.json"), "utf8"));
    expect(results.setup.command).toContain(`repvgg ablate ${pictures}`);
    expect(results.pictures).toEqual({ train: 200, test: 50 });
  });

  it("goes on after SIGKILL: finished runs stay as they are, the others end with the same bits", async () => {
    const out = join(folder, "killed");
    const killed = await repvgg(["ablate", pictures, ...small, ...chosen, "--out", out, "--jobs", "1"], {
      onStderr: (text, kill) => void (/seed 0: test top-1/.test(text) && kill("SIGKILL")),
    });
    expect(killed.code).toBeNull();
    const finished = runs.filter((run) => existsSync(join(out, run, "result.json")));
    expect(finished.length).toBeGreaterThan(0);
    expect(finished.length).toBeLessThan(runs.length);
    const times = (): number[] => finished.map((run) => statSync(join(out, run, "model.safetensors")).mtimeMs);
    const before = times();
    expect((await repvggJson<Report>(["ablate", "--resume", out])).remaining).toBe(0);
    expect(times()).toEqual(before);
    for (const run of runs) {
      const [a, b] = [out, reference].map((place) => readFileSync(join(place, run, "model.safetensors")));
      expect(a!.equals(b!), run).toBe(true);
      expect(result(out, run).top1).toBe(result(reference, run).top1);
    }
  });

  it("adds variants and seeds to an ablation that is done", async () => {
    const more = await repvggJson<Report>(["ablate", "--resume", reference, "--variants", "dirac:1"]);
    expect(more.variants.map(({ variant, runs: own }) => [variant.name, own.length])).toEqual([
      ["base", 1],
      ["relu-in-branches", 1],
      ["dirac", 1],
      ["trivial", 1],
    ]);
  });

  it("counts a training that diverges as that, and goes on", async () => {
    const out = join(folder, "diverged");
    const args = [...small, "--variants", "base", "--seeds", "1", "--learning-rate", "1e30", "--warmup-epochs", "0"];
    const report = await repvggJson<Report>(["ablate", pictures, ...args, "--out", out]);
    expect(report).toMatchObject({ remaining: 0, variants: [{ diverged: [0], runs: [{ top1: null }] }], order: [] });
    expect(htmlErrors(readFileSync(join(out, "report.html"), "utf8"))).toEqual([]);
  });

  it("refuses what it cannot do, in a line", async () => {
    expect(await repvgg(["ablate"])).toEqual(
      oneLine(
        "expected data to train on, or --resume, received neither: for example: repvgg ablate fashion-mnist-subset",
      ),
    );
    expect(await repvgg(["ablate", pictures, "--out", reference])).toEqual(
      oneLine(
        `expected a new folder for the ablation, received ${reference}, which holds one: go on with it by --resume, or name another folder by --out`,
      ),
    );
    expect(await repvgg(["ablate", "--resume", reference, "--epochs", "3"])).toEqual(
      oneLine(
        "expected a resumed ablation to keep its data and settings, received --epochs: leave them out, or begin a new one",
      ),
    );
    expect(await repvgg(["ablate", pictures, "--batch-size", "500", "--out", join(folder, "x"), "--quiet"])).toEqual(
      oneLine(
        "expected at least 500 pictures to train on, a batch, received 200 in pictures/train: use a smaller batch (--batch-size) or more pictures",
      ),
    );
    expect((await repvgg(["ablate", pictures, "--variants", "acb:0"])).stderr).toContain(
      'expected --variants to be names with commas between, each with :SEEDS or without, received "acb:0"',
    );
    expect((await repvgg(["ablate", pictures, "--variants", "acbb", "--quiet"])).stderr).toContain(
      'did you mean "acb"?',
    );
  });
});
