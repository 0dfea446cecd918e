import * as Plot from "@observablehq/plot";
import { plotSvg } from "./plot.js";
import { palette, panelsSvg } from "./svg.js";

/** What the curves need of an epoch; shares in [0, 1]. */
export interface EpochPoint {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly testLoss: number;
  readonly testTop1: number;
  readonly learningRate: number;
}

const panelWidth = 380;
const panelHeight = 280;

/** Loss, accuracy and learning rate over the epochs of a run, as one standalone SVG. */
export function curvesSvg(title: string, points: readonly EpochPoint[]): string {
  const losses = points.flatMap((p) => [
    { epoch: p.epoch, loss: p.trainLoss, set: "train" },
    { epoch: p.epoch, loss: p.testLoss, set: "test" },
  ]);
  const x = {
    label: "epoch",
    ticks: Math.min(8, points.length),
    tickFormat: (e: number) => (Number.isInteger(e) ? `${e}` : ""),
  };
  const size = {
    width: panelWidth,
    height: panelHeight,
    marginLeft: 52,
    marginTop: 32,
    marginRight: 24,
    marginBottom: 44,
    grid: true,
  };
  const best = points.reduce((a, b) => (b.testTop1 > a.testTop1 ? b : a), points[0]!);
  return panelsSvg(
    title,
    [
      plotSvg({
        ...size,
        x,
        y: { label: "loss (train: with label smoothing and augmentation)", zero: true },
        color: { domain: ["train", "test"], range: [palette[0], palette[1]] },
        marks: [
          Plot.lineY(losses, { x: "epoch", y: "loss", z: "set", stroke: "set", strokeWidth: 2 }),
          Plot.dot(losses, { x: "epoch", y: "loss", fill: "set", r: 2.5 }),
          ...endLabels(losses.slice(-2)),
        ],
      }),
      plotSvg({
        ...size,
        x,
        y: { label: "test top-1 (%)", nice: true, ...(points.length === 1 && { domain: [0, 100] }) },
        marks: [
          Plot.lineY(points, {
            x: "epoch",
            y: (p: EpochPoint) => p.testTop1 * 100,
            stroke: palette[2],
            strokeWidth: 2,
          }),
          Plot.dot(points, { x: "epoch", y: (p: EpochPoint) => p.testTop1 * 100, fill: palette[2], r: 2.5 }),
          Plot.text([best], {
            x: "epoch",
            y: (p: EpochPoint) => p.testTop1 * 100,
            text: (p: EpochPoint) => `${(p.testTop1 * 100).toFixed(2)} %`,
            fill: palette[2],
            fontWeight: 600,
            dy: -10,
            textAnchor: "end",
          }),
        ],
      }),
      plotSvg({
        ...size,
        x,
        y: { label: "learning rate at the epoch's end", zero: true },
        marks: [
          Plot.lineY(points, { x: "epoch", y: "learningRate", stroke: palette[3], strokeWidth: 2 }),
          Plot.dot(points, { x: "epoch", y: "learningRate", fill: palette[3], r: 2.5 }),
        ],
      }),
    ],
    panelWidth,
    panelHeight,
  );
}

/** The names of two curves at their last points: of the higher one above it, of the lower one below. */
function endLabels(ends: readonly { epoch: number; loss: number; set: string }[]): Plot.Markish[] {
  const highest = Math.max(...ends.map((end) => end.loss));
  return ends.map((end, i) => {
    const above = end.loss === highest && (i === 0 || ends[0]!.loss !== highest);
    return Plot.text([end], {
      x: "epoch",
      y: "loss",
      text: "set",
      fill: "set",
      dy: above ? -10 : 12,
      textAnchor: "end",
    });
  });
}
