import { byteSize, percent, shortNumber } from "../core/format.js";
import type { BarChart, HeatMap, LineChart } from "../report/charts/chart.js";
import type { Report, Section } from "../report/page/section.js";
import type { QuantizationCause } from "./causes.js";
import type { LayerReport } from "./layer-report.js";
import type { Measured } from "./measure.js";
import type { FloatLayer, QuantizationStep } from "./steps.js";
import { layersTable, lossSentence, type QuantizationTable, stepsTable } from "./text.js";

/** What quantization did, as a page shows it. Plain JSON. */
export interface QuantizationPage {
  /** Pictures that it was calibrated on; 0: none. */
  readonly pictures: number;
  /** Bits of the weights. */
  readonly bits: number;
  /** Weights alone, or activations too. */
  readonly weightsOnly: boolean;
  /** Of the float net on the pictures, where they have labels. */
  readonly floatTop1?: number;
  /** All that was tried, in order, with what it did to the outputs. */
  readonly steps: readonly QuantizationStep[];
  /** The quantized net on the pictures. */
  readonly measured?: Measured;
  /** Layers that stay in float, and why. */
  readonly floatLayers: readonly FloatLayer[];
  /** Every layer, in order. */
  readonly layers: readonly LayerReport[];
  /** Why the net is hard to quantize. */
  readonly causes: readonly QuantizationCause[];
  /** Bytes of weights and biases: in float32 and as they are now (4 bits and fewer two in a byte). */
  readonly bytes: { readonly float: number; readonly quantized: number };
  /** Sentences: what was done before, what was assumed. */
  readonly notes: readonly string[];
}

/** Signal to noise that is drawn of what is exact. */
const exact = 80;

const decibel = { format: (value: number): string => `${shortNumber(value)} dB` };

/** A quantization as a report to look at: what each step gained, each layer's numbers, why the net is hard. @param name of the net */
export function quantizationReportPage(name: string, result: QuantizationPage, footer: readonly string[] = []): Report {
  const { bits, weightsOnly, steps, layers, causes, floatLayers, bytes, measured, floatTop1, pictures, notes } = result;
  return {
    kind: "repvgg quantize",
    title: `${name} in ${bits}-bit integers${weightsOnly ? " (weights only)" : ""}`,
    lead: `${upper(lossSentence(measured, floatTop1, pictures))}.`,
    sections: [
      {
        kind: "figures",
        figures: [
          ...(measured ? [{ label: "outputs, signal to noise", value: decibel.format(measured.decibels) }] : []),
          ...(measured?.agreement === undefined
            ? []
            : [{ label: "same class as in float", value: percent(measured.agreement) }]),
          ...(measured?.top1 === undefined
            ? []
            : [
                {
                  label: "top-1 on the calibration pictures",
                  value: percent(measured.top1),
                  note: `float ${percent(floatTop1!)}`,
                },
              ]),
          { label: "weights and biases", value: byteSize(bytes.quantized), note: `float32 ${byteSize(bytes.float)}` },
        ],
      },
      ...(causes.length > 0 || floatLayers.length > 0
        ? [{ kind: "heading" as const, text: "What is hard about it" }, findings(causes, floatLayers, notes)]
        : []),
      { kind: "heading", text: "What each step did" },
      ...(steps.some((step) => step.measured) ? [{ kind: "chart" as const, chart: stepsChart(steps) }] : []),
      table("Steps in their order; ✓: kept", stepsTable(steps)),
      { kind: "heading", text: "Layer by layer" },
      { kind: "chart", chart: weightsChart(layers) },
      ...(layers.some(({ outputDecibels }) => outputDecibels !== undefined)
        ? [{ kind: "chart" as const, chart: outputsChart(layers) }]
        : []),
      ...(layers.some(({ alone }) => alone) ? [{ kind: "chart" as const, chart: aloneChart(layers) }] : []),
      ...(layers.some(({ histogram }) => histogram) ? [{ kind: "chart" as const, chart: histograms(layers) }] : []),
      table("Layers", layersTable(layers)),
    ],
    footer: [
      "Signal to noise: 10 log₁₀ of the sum of squares by the sum of squared differences from the float net; 6 dB are a bit.",
      ...footer,
    ],
  };
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function findings(
  causes: readonly QuantizationCause[],
  floatLayers: readonly FloatLayer[],
  notes: readonly string[],
): Section {
  return {
    kind: "notes",
    notes: [
      ...causes.map(({ layer, text }) => ({ level: "warning" as const, text: `${layer}: ${text}` })),
      ...floatLayers.map(({ name, reason }) => ({ level: "info" as const, text: `${name} stays in float: ${reason}` })),
      ...notes.map((text) => ({ level: "info" as const, text })),
    ],
  };
}

function table(caption: string, { head, rows }: QuantizationTable): Section {
  return { kind: "table", caption, columns: head.map((label) => ({ label, align: "left" })), rows };
}

function stepsChart(steps: readonly QuantizationStep[]): BarChart {
  return {
    kind: "bars",
    title: "Signal to noise of the outputs after each step",
    description:
      "On the calibration pictures; what was tried and not kept is shown too. A bar below 0 dB is more noise than signal.",
    value: { label: "decibels", unit: decibel, zero: true },
    categories: steps.filter(({ measured }) => measured).map(({ name, kept }) => (kept ? `✓ ${name}` : name)),
    series: [
      {
        name: "",
        values: steps.flatMap(({ measured }) => (measured ? [Math.max(0, bounded(measured.decibels))] : [])),
      },
    ],
  };
}

const bounded = (value: number): number => Math.min(exact, value);

function weightsChart(layers: readonly LayerReport[]): BarChart {
  return {
    kind: "bars",
    title: "Signal to noise of each layer's weights",
    description: "At the nearest whole numbers with one scale a layer, and as they are written.",
    value: { label: "decibels", unit: decibel, zero: true },
    categories: layers.map(({ name }) => name),
    series: [
      { name: "one scale a layer", values: layers.map(({ weightDecibels }) => bounded(weightDecibels.before)) },
      {
        name: "as written",
        values: layers.map(({ bits, weightDecibels }) =>
          bits === undefined ? undefined : bounded(weightDecibels.after),
        ),
      },
    ],
  };
}

function outputsChart(layers: readonly LayerReport[]): LineChart {
  return {
    kind: "lines",
    title: "Signal to noise through the net",
    description: "What each layer gives in the quantized net, which has the noise of all layers before it.",
    x: { label: "layer" },
    y: { label: "decibels", unit: decibel, zero: true },
    series: [
      {
        name: "output",
        draw: "both",
        points: layers.flatMap(({ name, outputDecibels }, i) =>
          outputDecibels === undefined ? [] : [{ x: i + 1, y: bounded(outputDecibels), label: name }],
        ),
      },
    ],
  };
}

function aloneChart(layers: readonly LayerReport[]): BarChart {
  const measured = layers.filter(({ alone }) => alone);
  return {
    kind: "bars",
    title: "Outputs with one layer alone quantized",
    description: "The lower the bar, the more that layer costs: with one scale and no cure, and as it is written.",
    value: { label: "decibels", unit: decibel, zero: true },
    categories: measured.map(({ name }) => name),
    series: [
      {
        name: "one scale a layer, no cure",
        values: measured.map(({ alone }) => Math.max(0, bounded(alone!.before.decibels))),
      },
      { name: "as written", values: measured.map(({ alone }) => Math.max(0, bounded(alone!.after.decibels))) },
    ],
  };
}

function histograms(layers: readonly LayerReport[]): HeatMap {
  const shown = layers.filter(({ histogram }) => histogram);
  return {
    kind: "heat-map",
    title: "What the layers read",
    description:
      "Numbers by size (zeros left out), from the smallest on the left to the largest on the right, each layer a row; the colour is the logarithm of the count.",
    panels: shown.map(({ name, histogram }) => {
      const { low, high, counts } = histogram!;
      const most = Math.log1p(Math.max(...counts, 1));
      return {
        title: `${name}: ${shortNumber(low)} … ${shortNumber(high)}`,
        rows: 1,
        columns: counts.length,
        values: counts.map((count) => Math.log1p(count) / most),
      };
    }),
    scale: "sequential",
  };
}
