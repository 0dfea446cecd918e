import { plural } from "../../core/format.js";
import { milliseconds } from "../../report/charts/unit.js";
import type { Report, Section } from "../../report/page/section.js";
import type { Machine } from "./machine.js";
import type { BenchResult, Noise } from "./results.js";
import { benchHead, benchRows, describeNoise } from "./text.js";

/** Times of engines as a report: bars with quartiles for each task, and everything in a table. */
export function benchReport(
  { machine, noise, results }: { machine: Machine; noise: Noise; results: readonly BenchResult[] },
  footer: readonly string[] = [],
): Report {
  const nets = [...new Set(results.map(({ model }) => model))];
  const { processor, cores, node, date } = machine;
  return {
    kind: "repvgg bench",
    title: `Inference of ${nets.join(", ")}`,
    lead: `${processor}, ${plural(cores, "core")}, Node ${node}.`,
    sections: [
      { kind: "notes", notes: [{ level: noise.noisy ? "warning" : "good", text: describeNoise(noise) }] },
      ...results.map(taskChart),
      {
        kind: "table",
        caption: "All figures",
        columns: benchHead.map((label, i) => ({
          label,
          align: i === 0 || i === 3 ? ("left" as const) : ("right" as const),
        })),
        rows: benchRows(results),
      },
    ],
    footer: [
      "Every engine in a process of its own, by turns. Bars: medians, whiskers: quartiles; shorter is faster.",
      date,
      ...footer,
    ],
  };
}

function taskChart({ model, threads, batch, engines }: BenchResult): Section {
  const timed = engines.filter(({ times, agrees }) => times && agrees);
  const [first] = timed;
  const others = timed.slice(1).filter(({ ratio }) => ratio !== undefined);
  const ratios = others.map(({ engine, ratio }) => `${engine} takes ${ratio!.toFixed(2)} × as long`);
  return {
    kind: "chart",
    chart: {
      kind: "bars",
      title: `${model}, ${plural(threads, "thread")}, ${plural(batch, "image")} at once`,
      description: first && ratios.length > 0 ? `Beside ${first.engine}: ${ratios.join("; ")}.` : "Time of a run.",
      value: { label: "milliseconds a run", unit: milliseconds },
      categories: timed.map(({ engine }) => engine),
      series: [
        {
          name: "",
          values: timed.map(({ times }) => times!.median),
          ranges: timed.map(({ times }) => [times!.lowerQuartile, times!.upperQuartile] as const),
        },
      ],
    },
  };
}
