import type { LineChart } from "./charts/chart.js";
import { share } from "./charts/unit.js";
import { standaloneSvg } from "./standalone.js";

/** What the curves need of an epoch; shares in [0, 1]. */
export interface EpochPoint {
  readonly epoch: number;
  readonly trainLoss: number;
  /** Null where no pictures judge the epochs. */
  readonly validation: { readonly loss: number; readonly top1: number } | null;
  readonly learningRate: number;
}

/** Loss, learning rate and, where pictures judge the epochs, their accuracy over the epochs of a run, as one standalone SVG. */
export function curvesSvg(title: string, points: readonly EpochPoint[]): string {
  const judged = points.flatMap(({ epoch, validation }) => (validation ? [{ epoch, ...validation }] : []));
  const curve = <T extends { readonly epoch: number }>(
    name: string,
    of: (point: T) => number,
    along: readonly T[],
  ) => ({
    name,
    points: along.map((point) => ({ x: point.epoch, y: of(point) })),
    draw: "both" as const,
  });
  const x = { label: "epoch" };
  const charts: LineChart[] = [
    {
      kind: "lines",
      title: "loss",
      description: `Training loss with label smoothing and augmentation${judged.length > 0 ? ", and validation loss" : ""}.`,
      x,
      y: { label: "train: with label smoothing and augmentation", zero: true },
      series: [
        curve("train", ({ trainLoss }) => trainLoss, points),
        ...(judged.length > 0 ? [curve("validation", ({ loss }) => loss, judged)] : []),
      ],
    },
    ...(judged.length > 0
      ? [
          accuracyChart(
            judged,
            curve("validation top-1", ({ top1 }) => top1, judged),
          ),
        ]
      : []),
    {
      kind: "lines",
      title: "learning rate",
      description: "Learning rate at the end of each epoch.",
      x,
      y: { label: "at the epoch's end", zero: true },
      series: [curve("learning rate", ({ learningRate }) => learningRate, points)],
    },
  ];
  return standaloneSvg(title, charts, 360, charts.length);
}

function accuracyChart(
  judged: readonly { readonly epoch: number; readonly top1: number }[],
  curve: LineChart["series"][number],
): LineChart {
  const best = judged.reduce((a, b) => (b.top1 > a.top1 ? b : a));
  return {
    kind: "lines",
    title: `validation top-1: best ${share.format(best.top1)} in epoch ${best.epoch}`,
    description: "Share of the validation pictures whose likeliest class is right.",
    x: { label: "epoch" },
    y: { label: "of the validation pictures", unit: share },
    series: [curve],
  };
}
