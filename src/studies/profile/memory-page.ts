import {
  type FormMemory,
  type LayerMemory,
  layerMemory,
  mostKeepingLayer,
} from "../../analysis/profile/form-memory.js";
import { byteSize } from "../../core/format.js";
import type { Timeline, TimeSpan } from "../../report/charts/chart.js";
import { bytes } from "../../report/charts/unit.js";
import type { Section } from "../../report/page/section.js";
import type { MemoryUse } from "./memory-use.js";
import type { Profile } from "./profile.js";
import { usedText } from "./text.js";

/** The parts of a report on memory: the timeline of the net, the block that shows why, and what was really used. */
export function memorySections({ memory, used }: Pick<Profile, "memory" | "used">): readonly Section[] {
  const block = mostKeepingLayer(memory[0]!);
  const blocks = memory.flatMap((form) => {
    const found = block === undefined ? undefined : layerMemory(form, block);
    return found ? [{ form: form.form, ...found }] : [];
  });
  return [
    {
      kind: "text",
      text: "Activations that the engine's plan keeps alive at every step: what the step reads and writes, and what later steps still need. Weights and scratch memory are not in it. Each layer has the same width, its steps share it.",
    },
    { kind: "chart", chart: memoryTimelineChart(memory) },
    {
      kind: "table",
      caption: "Peaks of the whole net",
      columns: ["form", "alive during a step", "at", "kept between steps", "arena", "packed weights"].map(
        (label, i) => ({
          label,
          align: i === 0 || i === 2 ? ("left" as const) : ("right" as const),
        }),
      ),
      rows: memory.map((form) => [
        form.form,
        byteSize(form.peakActivationBytes),
        form.peakStep ?? "–",
        byteSize(form.peakKeptBytes),
        byteSize(form.arenaBytes),
        byteSize(form.weightBytes),
      ]),
    },
    ...(blocks.length > 1 ? blockSections(blocks) : []),
    ...(used && used.length > 0 ? usedSections(used) : []),
  ];
}

/** Live bytes of each form, layer by layer. */
export function memoryTimelineChart(memory: readonly FormMemory[]): Timeline {
  const layers = [...new Set(memory.flatMap(({ points }) => points.map(({ layer }) => layer)))];
  const peaks = memory.map(({ form, peakActivationBytes }) => `${form} ${byteSize(peakActivationBytes)}`);
  return {
    kind: "timeline",
    title: "Live activations, step by step",
    description: `Peaks: ${peaks.join("; ")}.`,
    x: { label: "the run, layer by layer" },
    y: { label: "bytes of live activations", unit: bytes },
    bands: stages(layers),
    series: memory.map((form) => ({ name: form.form, spans: spansOf(form, layers) })),
  };
}

function spansOf({ points }: FormMemory, layers: readonly string[]): TimeSpan[] {
  const steps = new Map<string, number>();
  for (const { layer } of points) steps.set(layer, (steps.get(layer) ?? 0) + 1);
  const done = new Map<string, number>();
  return points.map(({ layer, step, op, activationBytes }) => {
    const [index, count] = [done.get(layer) ?? 0, steps.get(layer)!];
    done.set(layer, index + 1);
    const from = layers.indexOf(layer) + index / count;
    return { from, to: from + 1 / count, value: activationBytes, label: `${step} (${op})` };
  });
}

/** Stretches of layers whose names begin alike, as stage2.0, stage2.1; none where no two do. */
function stages(layers: readonly string[]): { from: number; to: number; label: string }[] {
  const bands: { from: number; to: number; label: string }[] = [];
  for (const [i, layer] of layers.entries()) {
    const label = /^(stage\d+)/.exec(layer)?.[1] ?? "";
    const last = bands.at(-1);
    if (last?.label === label) last.to = i + 1;
    else bands.push({ from: i, to: i + 1, label });
  }
  return bands.filter(({ label }) => label !== "");
}

function blockSections(blocks: readonly (LayerMemory & { readonly form: string })[]): readonly Section[] {
  const { layer, inputBytes } = blocks[0]!;
  const times = (x: number): string => `${Number(x.toFixed(2))} ×`;
  return [
    { kind: "heading", text: `One block: ${layer}`, level: 3 },
    {
      kind: "text",
      text: `The paper's figure 3: a block with an identity branch keeps its input until the branches are added, and so twice the feature map (more, where every branch has a result of its own); a plain layer keeps nothing but its result. Here, by the plan, in multiples of the block's input of ${byteSize(inputBytes)}: ${blocks.map(({ form, peakKept }) => `${form} ${times(peakKept)}`).join(", ")}.`,
    },
    {
      kind: "chart",
      chart: {
        kind: "bars",
        title: `Feature maps that ${layer} needs`,
        description:
          "Kept: still needed when a step is done, as the paper counts. Alive: during a step, its operands and its result.",
        value: { label: `multiples of the block's input (${byteSize(inputBytes)})`, unit: { format: times } },
        categories: blocks.map(({ form }) => form),
        series: [
          { name: "kept between steps", values: blocks.map(({ peakKept }) => peakKept) },
          { name: "alive during a step", values: blocks.map(({ peakLive }) => peakLive) },
        ],
      },
    },
    {
      kind: "table",
      caption: `Steps of ${layer}`,
      columns: ["step", "form", "does", "alive", "kept"].map((label, i) => ({
        label,
        align: i < 3 ? ("left" as const) : ("right" as const),
      })),
      rows: blocks.flatMap(({ form, points }) =>
        points.map(({ step, op, live, kept }) => [step, form, op, times(live), times(kept)]),
      ),
    },
  ];
}

function usedSections(used: readonly MemoryUse[]): readonly Section[] {
  const { head, rows } = usedText(used);
  return [
    { kind: "heading", text: "Planned and really used", level: 3 },
    {
      kind: "text",
      text: [
        "Written: the session's arena was filled with a pattern, the net was run once, and the words that had changed were counted.",
        "Growth: the net was run in processes of their own with a small and a large batch; the difference of their resident memory after the run (RssAnon; kernels keep every page that they have written), less the packed weights, for each picture stands beside the plan's (activations, input and output).",
      ],
    },
    {
      kind: "table",
      caption: `Activations by the plan and in the process, on ${used[0]!.backend}`,
      columns: head.map((label) => ({ label })),
      rows,
    },
  ];
}
