import * as Plot from "@observablehq/plot";
import { plotSvg } from "./plot.js";
import { palette, panelsSvg } from "./svg.js";

/** One bar: an engine's median time on one task, with its quartiles, in milliseconds. */
export interface BenchBar {
  readonly engine: string;
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
}

/** The bars of one task: "A0, 1 thread". */
export interface BenchPanel {
  readonly title: string;
  readonly bars: readonly BenchBar[];
}

const panelWidth = 420;

/** Milliseconds a run, a panel for each task, as one standalone SVG; shorter is faster, whiskers are quartiles. */
export function benchSvg(title: string, panels: readonly BenchPanel[]): string {
  const engines = [...new Set(panels.flatMap(({ bars }) => bars.map(({ engine }) => engine)))];
  const panelHeight = 56 + 34 * engines.length;
  return panelsSvg(
    title,
    panels.map((panel) => barsOf(panel, engines, panelHeight)),
    panelWidth,
    panelHeight,
    Math.min(2, panels.length),
  );
}

function barsOf({ title, bars }: BenchPanel, engines: readonly string[], height: number): string {
  return plotSvg({
    width: panelWidth,
    height,
    marginLeft: 132,
    marginRight: 64,
    marginTop: 12,
    marginBottom: 40,
    x: { label: `${title}: milliseconds a run`, grid: true, zero: true },
    y: { label: null, domain: [...engines] },
    color: { domain: [...engines], range: engines.map((_, i) => palette[i % palette.length]!) },
    marks: [
      Plot.barX(bars, { y: "engine", x: "median", fill: "engine", insetTop: 3, insetBottom: 3 }),
      Plot.ruleY(bars, { y: "engine", x1: "lowerQuartile", x2: "upperQuartile", stroke: "#222", strokeWidth: 1.5 }),
      Plot.text(bars, {
        y: "engine",
        x: "upperQuartile",
        text: (bar: BenchBar) => (bar.median >= 100 ? bar.median.toFixed(0) : bar.median.toPrecision(3)),
        dx: 6,
        textAnchor: "start",
      }),
    ],
  });
}
