import type { LineChart } from "./charts/chart.js";
import { share } from "./charts/unit.js";
import { standaloneSvg } from "./standalone.js";

/** What the curves need of an epoch; shares in [0, 1]. */
export interface EpochPoint {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly testLoss: number;
  readonly testTop1: number;
  readonly learningRate: number;
}

/** Loss, accuracy and learning rate over the epochs of a run, as one standalone SVG. */
export function curvesSvg(title: string, points: readonly EpochPoint[]): string {
  const best = points.reduce((a, b) => (b.testTop1 > a.testTop1 ? b : a), points[0]!);
  const curve = (name: string, of: (point: EpochPoint) => number) => ({
    name,
    points: points.map((point) => ({ x: point.epoch, y: of(point) })),
    draw: "both" as const,
  });
  const x = { label: "epoch" };
  const charts: LineChart[] = [
    {
      kind: "lines",
      title: "loss",
      description: "Training loss with label smoothing and augmentation, and test loss.",
      x,
      y: { label: "train: with label smoothing and augmentation", zero: true },
      series: [curve("train", (point) => point.trainLoss), curve("test", (point) => point.testLoss)],
    },
    {
      kind: "lines",
      title: `test top-1: best ${share.format(best.testTop1)} in epoch ${best.epoch}`,
      description: "Share of the test pictures whose likeliest class is right.",
      x,
      y: { label: "of the test pictures", unit: share },
      series: [curve("test top-1", (point) => point.testTop1)],
    },
    {
      kind: "lines",
      title: "learning rate",
      description: "Learning rate at the end of each epoch.",
      x,
      y: { label: "at the epoch's end", zero: true },
      series: [curve("learning rate", (point) => point.learningRate)],
    },
  ];
  return standaloneSvg(title, charts, 360, charts.length);
}
