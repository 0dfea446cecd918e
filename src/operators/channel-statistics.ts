import type { Tensor64 } from "../graph/evaluate/tensor64.js";

/** Mean and (biased) variance of each channel. */
export interface ChannelStatistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Statistics of [N, C, …] over everything but C: what BatchNorm in training mode normalizes by (Ioffe and Szegedy 2015). */
export function channelStatistics({ shape, data }: Tensor64): ChannelStatistics {
  const channels = shape[1];
  const area = shape.slice(2).reduce((product, size) => product * size, 1);
  const count = data.length / channels;
  const channel = (at: number): number => Math.floor(at / area) % channels;
  const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
  data.forEach((value, at) => {
    mean[channel(at)] += value / count;
  });
  data.forEach((value, at) => {
    variance[channel(at)] += (value - mean[channel(at)]) ** 2 / count;
  });
  return { mean, variance };
}
