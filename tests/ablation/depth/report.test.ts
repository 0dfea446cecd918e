import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accuracyChart, choiceChart, gradientChart } from "#repvgg/ablation/depth/charts.js";
import { encodeRun } from "#repvgg/ablation/depth/results.js";
import { studyState } from "#repvgg/ablation/depth/study.node.js";
import { StudyDirectory } from "#repvgg/ablation/depth/study-directory.node.js";
import { type WrittenStudy, writeStudy } from "#repvgg/ablation/depth/write-report.node.js";
import type { Chart } from "#repvgg/report/charts/chart.js";
import { htmlErrors } from "../../report/html.js";
import { madePlan, madeRun } from "./runs.js";

type Lines = Extract<Chart, { kind: "lines" }>;

const folder = mkdtempSync(join(tmpdir(), "repvgg-depth-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const seeds = { base: 2, "no-branches": 2, "pointwise-only": 1, "identity-only": 1, qarepvgg: 1 };
const runs = [10, 28].flatMap((layers) =>
  Object.entries(seeds).flatMap(([variant, count]) =>
    Array.from({ length: count }, (_, seed) =>
      madeRun({ layers, variant, seed }, variant === "base" ? 0.8 + seed / 100 : 0.7 - seed / 100, layers / 50),
    ),
  ),
);
const choices = [0.05, 0.1].map((learningRate) =>
  madeRun({ kind: "choice", layers: 28, variant: "base", seed: 0, learningRate, epochs: 2 }, learningRate),
);
const diverged = madeRun({ layers: 28, variant: "no-branches", seed: 2 }, null);
const file = (name: string): string => readFileSync(join(folder, name), "utf8");
let written: WrittenStudy;

beforeAll(async () => {
  await StudyDirectory.create(folder, madePlan([28, 10, 52], seeds));
  writeFileSync(join(folder, "results.jsonl"), [...runs, diverged, ...choices].map(encodeRun).join(""));
  written = await writeStudy(studyState(folder));
});

describe("a study's report", () => {
  it("is a valid page with every table and chart", () => {
    const html = file("report.html");
    expect(htmlErrors(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
    expect(html.match(/<svg/g)!.length).toBeGreaterThanOrEqual(7);
    expect(html).toContain("Not done yet: 7 nets.");
  });

  it("has the paper's table 6 beside the numbers", () => {
    const rows = file("report.md")
      .split("\n")
      .filter((line) => line.startsWith("| 28 |"));
    expect(rows[0]).toBe(
      "| 28 | RepVGG (all branches) | 80.50 ± 6.35 (2) | – | – | 75.14 | 85.50 ± 6.35 (2) | 0.560 ± 0.000 (2) | 1.00 × | 1.00 × |",
    );
    expect(rows[1]).toMatch(
      /^\| 28 \| 3×3 only \| 69\.50 ± 6\.35 \(2\); 1 diverged \| −11\.00 ± 3\.04 \| 0\.004 \| −2\.75 \|/,
    );
    expect(rows.find((row) => row.includes("QARepVGG"))).toContain(
      "| 69.50 (1) | – | – | – |".replace("69.50", "70.00"),
    );
  });

  it("is Markdown whose pictures are there, each once, as well-formed SVG", () => {
    const named = [...file("report.md").matchAll(/!\[[^\]]*\]\(([^)]*)\)/g)].map((match) => match[1]!);
    expect(named).toEqual(["accuracy.svg", "gradients.svg", "losses.svg", "choices.svg"]);
    for (const name of named) {
      expect(file(name)).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
      expect(file(name)).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(written.files.pictures.map((path) => path.slice(folder.length + 1))).toEqual(named);
  });

  it("draws gradients by layer as geometric means over seeds, without those that diverged at the end", () => {
    const [, at28] = written.summary.depths;
    const chart = gradientChart(at28!) as Lines;
    expect(chart.series.map(({ name, points }) => [name, points.length])).toEqual([
      ...[
        ["RepVGG (all branches), start", 28],
        ["RepVGG (all branches), end", 28],
      ],
      ...[
        ["3×3 only, start", 28],
        ["3×3 only, end", 28],
      ],
    ]);
    // Seeds 0 and 1 begin at 1 and at 0.1; each layer has 10^(−1/4) of the one before.
    expect(chart.series[0]!.points[0]).toMatchObject({ x: 1, y: expect.closeTo(10 ** -0.5, 9) });
    expect(chart.series[0]!.points[4]).toMatchObject({ x: 5, y: expect.closeTo(10 ** -1.5, 9) });
    expect(chart.series[3]!.points[27]).toMatchObject({ x: 28, y: expect.closeTo(0.1, 9) });
  });

  it("draws choices at their depth, by learning rate, and accuracy with its interval", () => {
    expect(choiceChart(10, choices)).toBeUndefined();
    const chart = choiceChart(28, [...choices].reverse()) as Lines;
    expect(chart.series).toMatchObject([
      {
        points: [
          { x: 0.05, y: 0.05 },
          { x: 0.1, y: 0.1 },
        ],
      },
    ]);
    const [all] = (accuracyChart(written.summary) as Lines).series;
    // Two seeds: t(1) = 12.706, s = 0.01 / √2.
    expect(all!.points).toMatchObject(
      [10, 28].map((x) => ({ x, y: 0.805, spread: expect.closeTo(12.706 * 0.005, 4) })),
    );
  });

  it("can be written before there is any result", async () => {
    const empty = mkdtempSync(join(tmpdir(), "repvgg-depth-"));
    try {
      await StudyDirectory.create(empty, madePlan([10], { base: 1 }));
      await writeStudy(studyState(empty));
      expect(htmlErrors(readFileSync(join(empty, "report.html"), "utf8"))).toEqual([]);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  });
});
