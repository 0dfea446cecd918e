// Reference operations: float64, plain loops, written from the formulas and from nothing of ours.

export type Values = Float64Array;

export interface NaiveConv {
  x: readonly number[]; // [N,H,W,I]
  weight: readonly number[]; // [kh,kw,I/groups,O]
  stride?: readonly [number, number];
  padding?: readonly [number, number];
  dilation?: readonly [number, number];
  groups?: number;
}

export function conv2d(x: Values, weight: Values, bias: Values | undefined, options: NaiveConv): Values {
  const [n, h, w, inputs] = options.x as [number, number, number, number];
  const [kh, kw, perGroup, outputs] = options.weight as [number, number, number, number];
  const { stride: [sh, sw] = [1, 1], padding: [ph, pw] = [0, 0], dilation: [dh, dw] = [1, 1], groups = 1 } = options;
  const oh = Math.floor((h + 2 * ph - (kh - 1) * dh - 1) / sh) + 1;
  const ow = Math.floor((w + 2 * pw - (kw - 1) * dw - 1) / sw) + 1;
  const y = new Float64Array(n * oh * ow * outputs);
  for (let b = 0; b < n; b++)
    for (let p = 0; p < oh; p++)
      for (let q = 0; q < ow; q++)
        for (let o = 0; o < outputs; o++) {
          let sum = bias ? bias[o]! : 0;
          const firstInput = Math.floor(o / (outputs / groups)) * perGroup;
          for (let i = 0; i < kh; i++)
            for (let j = 0; j < kw; j++) {
              const [row, column] = [p * sh + i * dh - ph, q * sw + j * dw - pw];
              if (row < 0 || row >= h || column < 0 || column >= w) continue;
              for (let c = 0; c < perGroup; c++)
                sum +=
                  x[((b * h + row) * w + column) * inputs + firstInput + c]! *
                  weight[((i * kw + j) * perGroup + c) * outputs + o]!;
            }
          y[((b * oh + p) * ow + q) * outputs + o] = sum;
        }
  return y;
}

export interface NaiveNorm {
  gamma: Values;
  beta: Values;
  eps: number;
  /** Absent: statistics of the batch. */
  running?: { mean: Values; variance: Values };
}

/** Mean and biased variance by channel (last axis). */
export function statistics(x: Values, channels: number): { mean: Values; variance: Values } {
  const rows = x.length / channels;
  const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
  x.forEach((value, i) => {
    mean[i % channels]! += value / rows;
  });
  x.forEach((value, i) => {
    variance[i % channels]! += (value - mean[i % channels]!) ** 2 / rows;
  });
  return { mean, variance };
}

export function batchNorm(x: Values, norm: NaiveNorm): Values {
  const channels = norm.gamma.length;
  const { mean, variance } = norm.running ?? statistics(x, channels);
  return x.map((value, i) => {
    const c = i % channels;
    return (norm.gamma[c]! * (value - mean[c]!)) / Math.sqrt(variance[c]! + norm.eps) + norm.beta[c]!;
  });
}

export const relu = (x: Values): Values => x.map((value) => Math.max(0, value));
export const sigmoid = (x: Values): Values => x.map((value) => 1 / (1 + Math.exp(-value)));
export const add = (...terms: Values[]): Values =>
  terms[0]!.map((_, i) => terms.reduce((sum, term) => sum + term[i]!, 0));

export function linear(x: Values, weight: Values, bias: Values | undefined, outputs: number): Values {
  const inputs = weight.length / outputs;
  return new Float64Array((x.length / inputs) * outputs).map((_, at) => {
    const [row, o] = [Math.floor(at / outputs), at % outputs];
    let sum = bias ? bias[o]! : 0;
    for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * weight[i * outputs + o]!;
    return sum;
  });
}

export function globalAveragePool(x: Values, batch: number, channels: number): Values {
  const positions = x.length / batch / channels;
  const y = new Float64Array(batch * channels);
  x.forEach((value, i) => {
    y[Math.floor(i / (positions * channels)) * channels + (i % channels)]! += value / positions;
  });
  return y;
}

export function multiplyChannel(x: Values, factors: Values, batch: number, channels: number): Values {
  const perPicture = x.length / batch;
  return x.map((value, i) => value * factors[Math.floor(i / perPicture) * channels + (i % channels)]!);
}

export function softmaxCrossEntropy(logits: Values, targets: Values, classes: number): Values {
  const batch = logits.length / classes;
  let loss = 0;
  for (let row = 0; row < batch; row++) {
    const values = logits.subarray(row * classes, (row + 1) * classes);
    const logSum = Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
    for (let k = 0; k < classes; k++) loss -= (targets[row * classes + k]! * (values[k]! - logSum)) / batch;
  }
  return Float64Array.of(loss);
}
