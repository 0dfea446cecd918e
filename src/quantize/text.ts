import { percent, plural, shortNumber } from "../core/format.js";
import type { LayerReport } from "./layer-report.js";
import type { Measured } from "./measure.js";
import type { QuantizationStep } from "./steps.js";

/** Rows of a table for a terminal. */
export interface QuantizationTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const db = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(1)} dB` : "exact");

/** What each step did to the outputs: kept ones have a mark. */
export function stepsTable(steps: readonly QuantizationStep[]): QuantizationTable {
  const [labelled, classes] = [
    steps.some(({ measured }) => measured?.top1 !== undefined),
    steps.some(({ measured }) => measured?.agreement !== undefined),
  ];
  return {
    head: ["", "step", "outputs", ...(classes ? ["same class"] : []), ...(labelled ? ["top-1"] : [])],
    rows: steps.map(({ name, kept, measured }) => [
      kept ? "✓" : "",
      name,
      measured ? db(measured.decibels) : "–",
      ...(classes ? [share(measured?.agreement)] : []),
      ...(labelled ? [share(measured?.top1)] : []),
    ]),
  };
}

const share = (value: number | undefined): string => (value === undefined ? "–" : percent(value));

/** Each layer: what it meets, what is left of it, what it costs alone. */
export function layersTable(layers: readonly LayerReport[]): QuantizationTable {
  const alone = layers.some((layer) => layer.alone);
  return {
    head: [
      ...["layer", "kind", "bits", "input's range", "outlier channels", "weights' spread"],
      ...["weights: naive → now", "output"],
      ...(alone ? ["alone: naive → now"] : []),
    ],
    rows: layers.map((layer) => [
      layer.name,
      layer.kind,
      layer.bits === undefined ? "float" : String(layer.bits),
      layer.range ? layer.range.map(shortNumber).join(" … ") : "–",
      layer.outlierChannels.length === 0 ? "–" : String(layer.outlierChannels.length),
      `${shortNumber(layer.weightSpread)} ×`,
      `${db(layer.weightDecibels.before)} → ${db(layer.weightDecibels.after)}`,
      layer.outputDecibels === undefined ? "–" : db(layer.outputDecibels),
      ...(alone ? [layer.alone ? `${cost(layer.alone.before)} → ${cost(layer.alone.after)}` : "–"] : []),
    ]),
  };
}

function cost({ decibels, top1, agreement }: Measured): string {
  const told = top1 ?? agreement;
  return told === undefined ? db(decibels) : `${db(decibels)}, ${percent(told)}`;
}

/** What the quantized net lost on the calibration pictures, in a sentence. */
export function lossSentence(measured: Measured | undefined, floatTop1: number | undefined, pictures: number): string {
  if (!measured)
    return "calibrated without pictures, by BatchNorm's statistics: nothing was measured (repvgg eval does)";
  const { decibels, agreement, top1 } = measured;
  const classes = agreement === undefined ? "" : `, the float net's class for ${percent(agreement)}`;
  const right =
    top1 === undefined || floatTop1 === undefined ? "" : `, top-1 ${percent(top1)} (float ${percent(floatTop1)})`;
  return `on ${plural(pictures, "calibration picture")}: outputs at ${db(decibels)}${classes}${right}`;
}
