import { milliseconds } from "./charts/unit.js";
import { standaloneSvg } from "./standalone.js";

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

/** Milliseconds a run, a panel for each task, as one standalone SVG; shorter is faster, whiskers are quartiles. */
export function benchSvg(title: string, panels: readonly BenchPanel[]): string {
  const engines = [...new Set(panels.flatMap(({ bars }) => bars.map(({ engine }) => engine)))];
  const charts = panels.map(({ title: task, bars }) => {
    const barOf = (engine: string): BenchBar | undefined => bars.find((bar) => bar.engine === engine);
    const series = {
      name: "median",
      values: engines.map((engine) => barOf(engine)?.median),
      ranges: engines.map((engine) => {
        const bar = barOf(engine);
        return bar && ([bar.lowerQuartile, bar.upperQuartile] as const);
      }),
    };
    return {
      kind: "bars" as const,
      title: `${task}: milliseconds a run`,
      description: "Shorter is faster; whiskers are quartiles.",
      value: { label: "", unit: milliseconds },
      categories: engines,
      series: [series],
    };
  });
  return standaloneSvg(title, charts, 520, Math.min(2, panels.length));
}
