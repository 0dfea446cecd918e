import type { Picture } from "repvgg/browser";
import type { OpenNet } from "./open-net.js";

/** A block's values before its ReLU on one picture, in both forms: one channel as a map, and how far all of them part. */
export interface BlockOutputs {
  readonly height: number;
  readonly width: number;
  /** [height][width] of the channel that was asked for. */
  readonly train: Float32Array;
  readonly plain: Float32Array;
  readonly difference: Float32Array;
  /** Largest |train| and |difference| of the channel. */
  readonly range: number;
  readonly channelDifference: number;
  /** Largest |train| and |difference| of all channels, and how many values those are. */
  readonly allRange: number;
  readonly allDifference: number;
  readonly values: number;
}

/** Asks both forms what a block gives on a picture. */
export async function blockOutputs(
  net: OpenNet,
  path: string,
  channel: number,
  picture: Picture,
): Promise<BlockOutputs> {
  const value = `${path}.rbr_reparam`;
  const train = (await net.train.features(picture, [value]))[value]!;
  const plain = (await net.plain.features(picture, [value]))[value]!;
  const [, , height, width] = train.shape as [number, number, number, number];
  const positions = height * width;
  const from = channel * positions;
  const difference = train.data.map((x, i) => x - plain.data[i]!);
  const part = (data: Float32Array): Float32Array => data.subarray(from, from + positions);
  return {
    height,
    width,
    train: part(train.data),
    plain: part(plain.data),
    difference: part(difference),
    range: largest(part(train.data)),
    channelDifference: largest(part(difference)),
    allRange: largest(train.data),
    allDifference: largest(difference),
    values: train.data.length,
  };
}

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
