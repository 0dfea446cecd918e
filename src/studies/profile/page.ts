import { layerNames } from "../../analysis/profile/layers.js";
import type { BackendProfile, FormProfile, LayerProfile } from "../../analysis/profile/profile.js";
import { byteSize, plural, shortNumber, wholeCount } from "../../core/format.js";
import type { BarChart, LineChart } from "../../report/charts/chart.js";
import { bytes, milliseconds, plain } from "../../report/charts/unit.js";
import type { Cell, KeyFigures, Report, Section, Table } from "../../report/page/section.js";
import { memorySections } from "./memory-page.js";
import type { Profile } from "./profile.js";

/** More bars than this are not looked at; the slowest layers are shown. */
const mostBars = 40;

/** A profile as a report: time by layer, the roofline, memory over time, and everything as tables. */
export function profileReport(profile: Profile, footer: readonly string[] = []): Report {
  const { net, machine, backends, shapes } = profile;
  const input = Object.values(shapes)
    .map((shape) => shape.join("×"))
    .join(", ");
  return {
    kind: "repvgg profile",
    title: `Profile of ${net}`,
    lead: lead(profile),
    sections: [
      keyFigures(profile),
      { kind: "heading", text: "Time by layer" },
      ...backends.flatMap(timeSections),
      { kind: "heading", text: "Roofline" },
      {
        kind: "text",
        text: "A layer can be no faster than the roof: left of the ridge the memory limits it, right of it the arithmetic. Both peaks were measured just before the layers. Operations are those that the chosen algorithm really makes (Winograd makes fewer than the direct way); bytes are the activations and packed weights of each step, each once. A layer above the slope has its data from a cache.",
      },
      ...backends.map((backend): Section => ({ kind: "chart", chart: roofline(backend) })),
      { kind: "heading", text: "Memory over time" },
      ...memorySections(profile),
      { kind: "heading", text: "Costs by layer" },
      ...backends[0]!.forms.map((form): Section => costTable(form)),
      { kind: "heading", text: "The plan, step by step" },
      ...backends.flatMap(({ backend, forms }) => forms.map((form): Section => stepTable(backend, form))),
    ],
    footer: [
      `Input ${input}. ${machine.processor}, ${plural(machine.cores, "core")}, Node ${machine.node}, ${machine.date}.`,
      "Times are medians; each step is timed in its place in the net, the forms by turns. Whole runs are timed apart from the steps.",
      ...footer,
    ],
  };
}

function lead({ backends: [first], memory }: Profile): string {
  const [a, b] = first!.forms;
  if (!b) return `${shortNumber(a!.run.median)} ms a run on ${where(first!)}.`;
  const [before, after] = [a!, b].map(({ form }) => memory.find((m) => m.form === form)!);
  return `The ${b.form} takes ${shortNumber(b.run.median)} ms a run where the net ${a!.form === "as it is" ? "as it is" : `in ${a!.form}`} takes ${shortNumber(a!.run.median)} ms (${where(first!)}): ${(a!.run.median / b.run.median).toFixed(2)} × as fast. Its activations peak at ${byteSize(after!.peakActivationBytes)}, not ${byteSize(before!.peakActivationBytes)}.`;
}

function where({ backend, threads }: BackendProfile): string {
  return `${backend}, ${plural(threads, "thread")}`;
}

function keyFigures({ backends }: Profile): KeyFigures {
  const [first, second] = backends[0]!.forms.map(({ total }) => total);
  const both = (of: (total: FormProfile["total"]) => string) =>
    second ? { value: of(second), note: `${backends[0]!.forms[0]!.form}: ${of(first!)}` } : { value: of(first!) };
  const times = backends.map((backend) => {
    const [a, b] = backend.forms;
    const note = b && `${a!.form}: ${shortNumber(a!.run.median)} ms`;
    return {
      label: `one run, ${where(backend)}`,
      value: `${shortNumber((b ?? a)!.run.median)} ms`,
      ...(note && { note }),
    };
  });
  return {
    kind: "figures",
    figures: [
      ...times,
      { label: "parameters", ...both((t) => wholeCount(t.parameters)) },
      { label: "multiply-accumulates", ...both((t) => billions(t.macs)) },
      { label: "multiplications by Winograd F(2×2)", ...both((t) => billions(t.winogradMultiplications)) },
      { label: "read and written", ...both((t) => byteSize(t.bytesRead + t.bytesWritten)) },
      {
        label: "peak of live activations",
        ...both(({ liveBytes }) => byteSize(liveBytes)),
      },
    ],
  };
}

function billions(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(3)} G` : `${shortNumber(count / 1e6)} M`;
}

function timeSections(profile: BackendProfile): readonly Section[] {
  return [
    { kind: "heading", text: where(profile), level: 3 },
    { kind: "chart", chart: timeChart(profile) },
    timeTable(profile, layerNames(profile.forms)),
  ];
}

/** Milliseconds of each layer, its forms side by side. */
export function timeChart(profile: BackendProfile): BarChart {
  const { forms } = profile;
  const layers = layerNames(forms);
  const slowest = [...layers].sort((a, b) => longest(forms, b) - longest(forms, a)).slice(0, mostBars);
  const shown = layers.filter((layer) => slowest.includes(layer));
  const names = forms.map(({ form }) => form);
  const sums = forms.map(({ form, total }) => `${form} ${shortNumber(total.milliseconds)} ms`);
  return {
    kind: "bars",
    title: `Milliseconds of each layer on ${where(profile)}`,
    description: `All steps added: ${sums.join(", ")}.${shown.length < layers.length ? ` The ${mostBars} slowest of ${layers.length} layers.` : ""}`,
    value: { label: "median milliseconds", unit: milliseconds },
    categories: shown,
    series: forms.map(({ form, layers: own }) => ({
      name: names.length > 1 ? form : "",
      values: shown.map((layer) => find(own, layer)?.milliseconds),
    })),
  };
}

function timeTable({ forms }: BackendProfile, layers: readonly string[]): Table {
  const longestTime = Math.max(...layers.map((layer) => longest(forms, layer)));
  const cells = (layer: LayerProfile | undefined): Cell[] => {
    if (!layer) return [{ text: "–", look: "muted" }, "", "", ""];
    return [
      { text: layer.algorithms.join(", "), look: "muted" },
      { text: shortNumber(layer.milliseconds), share: layer.milliseconds / longestTime },
      layer.multiplications > 0 ? shortNumber(layer.gigaflops) : "–",
      `${Math.round(100 * layer.ofRoof)} %`,
    ];
  };
  const heads = forms.flatMap(({ form }) => [
    { label: `${form}: algorithm`, align: "left" as const },
    { label: "ms" },
    { label: "GFLOP/s" },
    { label: "of roof" },
  ]);
  const speedup = forms.length > 1;
  return {
    kind: "table",
    caption: "Time, algorithm and share of the roof",
    columns: [{ label: "layer" }, ...heads, ...(speedup ? [{ label: "× faster" }] : [])],
    total: true,
    rows: [
      ...layers.map((layer) => {
        const found = forms.map(({ layers: own }) => find(own, layer));
        const [a, b] = found;
        const ratio = a && b ? (a.milliseconds / b.milliseconds).toFixed(2) : "";
        return [layer, ...found.flatMap(cells), ...(speedup ? [ratio] : [])];
      }),
      [
        "all steps",
        ...forms.flatMap(({ total }) => [
          "",
          shortNumber(total.milliseconds),
          shortNumber(total.gigaflops),
          `${Math.round(100 * total.ofRoof)} %`,
        ]),
        ...(speedup ? [(forms[0]!.total.milliseconds / forms[1]!.total.milliseconds).toFixed(2)] : []),
      ],
    ],
  };
}

function roofline(profile: BackendProfile): LineChart {
  const { peaks, forms } = profile;
  const ridge = peaks.gigaflops / peaks.gigabytesPerSecond;
  const points = forms.map(({ form, layers }) => ({
    name: form,
    draw: "points" as const,
    points: layers
      .filter(({ multiplications }) => multiplications > 0)
      .map(({ layer, intensity, gigaflops }) => ({ x: intensity, y: gigaflops, label: layer })),
  }));
  const intensities = [ridge, ...points.flatMap((series) => series.points.map(({ x }) => x))];
  const [low, high] = [Math.min(...intensities) / 1.5, Math.max(...intensities) * 1.5];
  const slope = { x: low, y: low * peaks.gigabytesPerSecond };
  return {
    kind: "lines",
    title: `Roofline of ${where(profile)}`,
    description: `Peaks measured: ${shortNumber(peaks.gigaflops)} GFLOP/s, ${shortNumber(peaks.gigabytesPerSecond)} GB/s from memory; the ridge is at ${shortNumber(ridge)} operations a byte.`,
    x: { label: "operations for each byte", scale: "log", unit: plain },
    y: { label: "GFLOP/s", scale: "log", unit: plain },
    series: [
      ...points,
      { name: "roof", points: [slope, { x: ridge, y: peaks.gigaflops }, { x: high, y: peaks.gigaflops }] },
    ],
  };
}

function costTable({ form, layers, total }: FormProfile): Table {
  const row = (name: string, costs: FormProfile["total"], output: string): string[] => [
    name,
    output,
    wholeCount(costs.parameters),
    wholeCount(costs.macs),
    wholeCount(Math.round(costs.winogradMultiplications)),
    byteSize(costs.bytesRead),
    byteSize(costs.bytesWritten),
    shortNumber(costs.intensity),
    byteSize(costs.liveBytes),
  ];
  return {
    kind: "table",
    caption: form[0]!.toUpperCase() + form.slice(1),
    columns: [
      "layer",
      "output",
      "parameters",
      "MACs",
      "Winograd multiplications",
      "read",
      "written",
      "operations a byte",
      "most alive",
    ].map((label) => ({ label })),
    rows: [
      ...layers.map((layer) => row(layer.layer, layer, layer.outputShape.slice(1).join("×"))),
      row("all", total, ""),
    ],
    total: true,
  };
}

function stepTable(backend: string, { form, steps }: FormProfile): Table {
  return {
    kind: "table",
    caption: `${form} on ${backend}: ${plural(steps.length, "step")}`,
    folded: true,
    columns: ["step", "does", "algorithm", "output", "ms", "MACs", "read", "written", "alive", "kept"].map(
      (label, i) => ({
        label,
        align: i < 4 ? ("left" as const) : ("right" as const),
      }),
    ),
    rows: steps.map((step) => [
      step.name,
      step.op,
      step.algorithm,
      step.outputShape.join("×"),
      shortNumber(step.milliseconds),
      wholeCount(step.macs),
      bytes.format(step.bytesRead),
      bytes.format(step.bytesWritten),
      bytes.format(step.liveBytes),
      bytes.format(step.keptBytes),
    ]),
  };
}

function find(layers: readonly LayerProfile[], name: string): LayerProfile | undefined {
  return layers.find(({ layer }) => layer === name);
}

function longest(forms: readonly FormProfile[], layer: string): number {
  return Math.max(...forms.map(({ layers }) => find(layers, layer)?.milliseconds ?? 0));
}
