import { describe, expect, it } from "vitest";
import type { Chart } from "#repvgg/report/charts/chart.js";
import { chartSvg } from "#repvgg/report/charts/draw.js";
import { scaleOf } from "#repvgg/report/charts/scale.js";
import { bytes } from "#repvgg/report/charts/unit.js";
import { htmlErrors } from "./html.js";

const words = { title: "t", description: "d" };

describe("scales", () => {
  it("go from a round number to a round number", () => {
    const scale = scaleOf({ label: "", zero: true }, [3, 47], 100, 5);
    expect(scale.domain).toEqual([0, 50]);
    expect(scale.ticks).toEqual([0, 10, 20, 30, 40, 50]);
    expect(scale.at(25)).toBe(50);
  });

  it("take numbers that differ by rounding alone for one", () => {
    for (const value of [1, -1, 2.3, 1e300, 1e-300, 0]) {
      const { domain, ticks } = scaleOf({ label: "" }, [value, value * (1 + 2 ** -52)], 100, 5);
      expect(ticks.length).toBeLessThan(20);
      expect(domain[0]).toBeLessThan(domain[1]);
    }
  });

  it("count bytes in powers of two", () => {
    const { ticks } = scaleOf({ label: "", zero: true, unit: bytes }, [0, 5 * 2 ** 20], 100, 5);
    expect(ticks).toEqual([0, 1, 2, 3, 4, 5].map((n) => n * 2 ** 20));
  });

  it("are logarithmic where asked for, and leave out what is not positive", () => {
    const scale = scaleOf({ label: "", scale: "log" }, [0.02, 0, -1, 300], 100, 5);
    expect(scale.domain).toEqual([0.02, 500]);
    expect(scale.at(0)).toBeUndefined();
    expect(scale.at(10 ** 0.5)).toBeCloseTo(50);
    expect(scale.ticks).toEqual([0.1, 1, 10, 100]);
    expect(scaleOf({ label: "", scale: "log" }, [3, 40], 100, 5).ticks).toEqual([2, 5, 10, 20, 50]);
  });

  it.each([[[]], [[0]], [[7, 7]], [[Number.NaN]], [[-3, -3]]])("have a place for %j", (values) => {
    for (const scale of ["linear", "log"] as const) {
      const { domain, ticks } = scaleOf({ label: "", scale }, values, 100, 5);
      expect(domain[1]).toBeGreaterThan(domain[0]);
      expect(ticks.length).toBeLessThan(20);
    }
  });
});

/** Nothing to draw, and numbers that are none. */
const empty: readonly Chart[] = [
  { kind: "lines", ...words, x: { label: "x" }, y: { label: "y" }, series: [] },
  {
    kind: "lines",
    ...words,
    x: { label: "x" },
    y: { label: "y" },
    series: [{ name: "a", points: [{ x: 1, y: Number.NaN }] }],
  },
  {
    kind: "lines",
    ...words,
    x: { label: "x" },
    y: { label: "y", scale: "log" },
    series: [{ name: "a", draw: "both", points: [{ x: 1, y: 0 }] }],
  },
  { kind: "bars", ...words, value: { label: "v" }, categories: [], series: [] },
  { kind: "bars", ...words, value: { label: "v" }, categories: ["a"], series: [{ name: "s", values: [undefined] }] },
  { kind: "bars", ...words, value: { label: "v" }, categories: ["a"], series: [{ name: "s", values: [Number.NaN] }] },
  { kind: "dots", ...words, value: { label: "v" }, rows: [] },
  { kind: "dots", ...words, value: { label: "v" }, rows: [{ name: "a", values: [] }] },
  { kind: "dots", ...words, value: { label: "v" }, rows: [{ name: "a", values: [Number.NaN], mean: Number.NaN }] },
  { kind: "heat-map", ...words, scale: "diverging", panels: [] },
  { kind: "heat-map", ...words, scale: "sequential", panels: [{ rows: 1, columns: 2, values: [Number.NaN, 0] }] },
  { kind: "timeline", ...words, x: { label: "x" }, y: { label: "y" }, series: [] },
];

describe("a chart with nothing in it", () => {
  it.each(empty)("is drawn all the same: %j", (chart) => {
    for (const width of [336, 920]) {
      const svg = chartSvg(chart, width, "id");
      expect(htmlErrors(svg)).toEqual([]);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

it("heat maps give the largest number the full colour", () => {
  const values = [-2, -1, 0, 1];
  const svg = chartSvg(
    { kind: "heat-map", ...words, scale: "diverging", panels: [{ rows: 2, columns: 2, values }] },
    400,
    "id",
  );
  expect([...svg.matchAll(/<g><rect class="(h[mp]\d+)"/g)].map(([, look]) => look)).toEqual([
    "hm16",
    "hm8",
    "hp0",
    "hp8",
  ]);
});

it("a plain diagonal has no colour, however large its numbers: the worst mistake is the darkest", () => {
  const panels = [{ rows: 2, columns: 2, values: [90, 4, 8, 70] }];
  const looks = (plainDiagonal: boolean): (string | undefined)[] => {
    const chart: Chart = {
      kind: "heat-map",
      ...words,
      scale: "sequential",
      panels,
      limit: 8,
      plainDiagonal,
      showValues: true,
    };
    const svg = chartSvg(chart, 400, "id");
    expect(htmlErrors(svg)).toEqual([]);
    return [...svg.matchAll(/<g><rect class="(h[mp]\d+)"/g)].map(([, look]) => look);
  };
  expect(looks(true)).toEqual(["hp0", "hp8", "hp16", "hp0"]);
  expect(looks(false)).toEqual(["hp16", "hp8", "hp16", "hp16"]);
});

it("a timeline's area has the height of its numbers", () => {
  const spans = [
    { from: 0, to: 1, value: 4, label: "a" },
    { from: 1, to: 2, value: 2, label: "b" },
  ];
  const svg = chartSvg(
    { kind: "timeline", ...words, x: { label: "x" }, y: { label: "y" }, series: [{ name: "s", spans }] },
    600,
    "id",
  );
  const heights = [...svg.matchAll(/class="hit"[^>]* height="([\d.]+)"/g)].map(([, height]) => Number(height));
  expect(heights[0]).toBe(2 * heights[1]!);
});

it("dots stand where their numbers are, their mean between them", () => {
  const rows = [{ name: "a", values: [1, 3], mean: 2 }];
  const svg = chartSvg({ kind: "dots", ...words, value: { label: "v", domain: [0, 4] }, rows }, 600, "id");
  const [low, high] = [...svg.matchAll(/<circle [^>]*cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  const [, bar] = /class="whisker" d="M([\d.]+) [\d.]+v22"/.exec(svg)!;
  expect((low! + high!) / 2).toBeCloseTo(Number(bar), 1);
  expect(high! - low!).toBeGreaterThan(100);
});
