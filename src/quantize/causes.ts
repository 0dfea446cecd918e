import type { Graph } from "../graph/graph.js";
import type { LayerReport } from "./layer-report.js";
import { type Layer, rowsOf } from "./layers.js";

/** Why a net is hard to quantize, and what is done about it. Plain JSON. */
export interface QuantizationCause {
  /** Which of the known causes. */
  readonly kind: "identity-batch-norm" | "outlier-channels" | "dead-channels" | "long-tails" | "raw-pixels";
  /** Its node's name. */
  readonly layer: string;
  /** In a sentence or two. */
  readonly text: string;
}

/** One scale a layer spans so much at most without harm: a channel of the median then has 4 of the 8 bits left. */
const wideSpread = 16;

/** The known causes that a net's float weights and activations show. */
export function causesOf(float: Graph, layers: readonly Layer[], reports: readonly LayerReport[]): QuantizationCause[] {
  const causes: QuantizationCause[] = [];
  for (const report of reports) {
    const { name, weightSpread, deadChannels, outlierChannels, histogram } = report;
    const add = (kind: QuantizationCause["kind"], text: string): void => void causes.push({ kind, layer: name, text });
    const layer = layers.find((found) => found.name === name);
    if (layer && weightSpread > wideSpread) {
      const spread = `one output channel's weights are ${weightSpread.toFixed(0)} times the median channel's`;
      if (largestIsIdentity(layer, rowsOf(layer, float))) {
        add(
          "identity-batch-norm",
          `${spread}, and the largest stands at the centre of a channel's own plane: an identity branch's BatchNorm (γ/σ of a channel that hardly varies). One scale a layer leaves the others no bits; a scale a channel does.`,
        );
      } else {
        add(
          "outlier-channels",
          `${spread}: one scale a layer leaves the others no bits. A scale a channel does, or cross-layer equalization.`,
        );
      }
    }
    if (deadChannels.length > 0) {
      add(
        "dead-channels",
        `${deadChannels.length} of ${report.outputs} output channels have no weights to speak of (a dead ReLU): they cost nothing, and their scales are kept wide enough for their biases.`,
      );
    }
    if (outlierChannels.length > 0) {
      add(
        "outlier-channels",
        `${outlierChannels.length} channels of its input reach more than 8 times as far as the median one, and activations have one scale a layer: cross-layer equalization of activations.`,
      );
    }
    if (histogram && hasLongTails(histogram)) {
      add(
        "long-tails",
        "its input reaches more than 4 times as far as all but a thousandth of its numbers, as after training with the authors' custom L2 or without weight decay on biases: a range by percentile, entropy or squared error.",
      );
    }
  }
  const [stem] = reports;
  if (stem?.histogram && Math.max(-stem.histogram.low, stem.histogram.high) > 32) {
    causes.push({
      kind: "raw-pixels",
      layer: stem.name,
      text: "the first layer reads pixels that are not normalized: their mean is a large part of every sum. It is harmless at 8 bits (a picture has no more) if the input's scale covers 0 to 255; keep that layer in float if it costs too much.",
    });
  }
  return causes;
}

/** Whether the largest weight is a channel's own, at the centre of the kernel: where an identity branch lies after the fold. */
function largestIsIdentity({ kernel, inputs, outputs, groups }: Layer, rows: Float64Array): boolean {
  const area = kernel.reduce((a, b) => a * b, 1);
  const channels = inputs / area;
  if (kernel.length === 0 || channels * groups !== outputs) return false;
  let [at, most] = [0, 0];
  for (const [i, weight] of rows.entries()) if (Math.abs(weight) > most) [at, most] = [i, Math.abs(weight)];
  const place = at % inputs;
  const own = Math.floor(at / inputs) % (outputs / groups);
  return place === own * area + (area - 1) / 2;
}

function hasLongTails({ low, high, counts }: NonNullable<LayerReport["histogram"]>): boolean {
  const total = counts.reduce((a, b) => a + b, 0);
  const reach = Math.max(-low, high);
  const inner = counts.reduce((sum, count, i) => {
    const x = low + ((i + 0.5) / counts.length) * (high - low);
    return Math.abs(x) < reach / 4 ? sum + count : sum;
  }, 0);
  return total > 0 && inner > 0.999 * total;
}
