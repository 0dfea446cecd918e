import type { EpochRecord } from "./history.js";

/** The columns of metrics.csv and where each comes from; empty where the run has no validation pictures. New ones come last. */
const columns: readonly (readonly [name: string, of: (record: LoggedEpoch) => number | undefined])[] = [
  ["epoch", ({ epoch }) => epoch],
  ["step", ({ step }) => step],
  ["train_loss", ({ trainLoss }) => trainLoss],
  ["validation_loss", ({ validation }) => validation?.loss],
  ["validation_top1", ({ validation }) => validation?.top1],
  ["validation_top5", ({ validation }) => validation?.top5],
  ["learning_rate", ({ learningRate }) => learningRate],
  ["wall_time", ({ wallTime }) => wallTime],
];

/** `wallTime` in seconds since 1970. */
export type LoggedEpoch = EpochRecord & { readonly wallTime: number };

/** First line of metrics.csv. */
export const csvHeader = `${columns.map(([name]) => name).join(",")}\n`;

/** An epoch as a line of metrics.csv (RFC 4180 but for its line ends; numbers need no quotes). */
export function csvRow(record: LoggedEpoch): string {
  return `${columns.map(([, of]) => of(record) ?? "").join(",")}\n`;
}
