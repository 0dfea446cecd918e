import { rngFor } from "#repvgg/core/rng.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { type Quantized, QuantizedBuilder, type Style } from "./quantized-builder.js";

/** A small quantized CNN: strides, groups, depthwise, residual sums, concatenations, pools, gates and functions, odd sizes, in one of the exporters' forms. */
export function randomQuantizedNet(seed: number): {
  readonly graph: Graph;
  readonly style: Style;
  readonly shape: readonly number[];
} {
  const rng = rngFor(seed, "quantized net");
  const pick = <T>(...from: readonly T[]): T => from[rng.int(from.length)]!;
  const style: Style = {
    activations: pick("u8", "i8"),
    weights: pick("i8", "i8", "u8"),
    perChannel: rng.next() < 0.6,
    form: pick("qdq", "qdq", "qoperator"),
    bias: pick("integers", "real"),
  };
  const b = new QuantizedBuilder(rng, style);
  const shape = [pick(1, 1, 2), pick(1, 3, 4, 5), 3 + rng.int(11), 3 + rng.int(11)];
  const values: Quantized[] = [b.quantize("x", shape, 1, false)];
  const latest = (): Quantized => values.at(-1)!;
  const layers = 2 + rng.int(5);
  for (let layer = 0; layer < layers; layer++) values.push(randomLayer(b, values, pick));
  const outputs = ending(b, latest(), pick);
  return { graph: b.net(shape, outputs), style, shape };
}

type Pick = <T>(...from: readonly T[]) => T;

function randomLayer(b: QuantizedBuilder, values: readonly Quantized[], pick: Pick): Quantized {
  const x = values.at(-1)!;
  const [, channels, height, width] = x.shape as [number, number, number, number];
  const same = values.find((other) => other !== x && `${other.shape}` === `${x.shape}`);
  const joint = values.find((other) => other !== x && `${other.shape.with(1, 0)}` === `${x.shape.with(1, 0)}`);
  switch (pick("conv", "conv", "conv", "add", "add", "concat", "pool", "function", "gate", "requantize")) {
    case "add":
      if (same) return b.between("Add", [x, same], x.shape, 1.4 * x.spread);
      break;
    case "concat":
      if (joint) {
        const joined = x.shape.with(1, channels + joint.shape[1]!);
        return b.between("Concat", [x, joint], joined, x.spread, { axis: int(1) });
      }
      break;
    case "pool":
      if (height > 2 && width > 2) return pool(b, x, pick);
      break;
    case "function":
      return b.between(pick("Sigmoid", "HardSigmoid", "Tanh", "Relu"), [x], x.shape, pick(0.3, 1));
    case "gate":
      return gate(b, x);
    case "requantize":
      return b.quantize(b.dequantize(x), x.shape, pick(0.7, 1.3) * x.spread, false);
  }
  const [kernelHeight, kernelWidth] = pick<readonly [number, number]>([1, 1], [3, 3], [3, 3], [5, 5], [1, 3], [2, 2]);
  const groups = pick(1, 1, 1, channels, channels % 2 === 0 ? 2 : 1);
  const outputs = groups * Math.max(1, Math.round(pick(1, 3, 4, 6, 9, 16) / (groups > 4 ? 4 : 1)));
  const dilation = Math.min(height, width) > 4 ? pick(1, 1, 1, 2) : 1;
  const pad = (size: number): number => pick(0, Math.floor(size / 2), Math.floor(size / 2));
  const fits = (size: number, kernel: number, pads: number): boolean => size + pads >= (kernel - 1) * dilation + 1;
  const pads = [pad(kernelHeight), pad(kernelWidth), pad(kernelHeight), pad(kernelWidth)] as const;
  const kernel =
    fits(height, kernelHeight, pads[0] + pads[2]) && fits(width, kernelWidth, pads[1] + pads[3])
      ? ([kernelHeight, kernelWidth] as const)
      : ([1, 1] as const);
  const strides = pick<readonly [number, number]>([1, 1], [1, 1], [2, 2], [2, 1]);
  const activation = pick(undefined, undefined, "Relu" as const, "Clip" as const);
  return b.convolution(x, outputs, {
    ...{ kernel, strides, groups, dilation, pads: kernel[0] === 1 && kernel[1] === 1 ? [0, 0, 0, 0] : pads },
    ...(activation && { activation }),
  });
}

function pool(b: QuantizedBuilder, x: Quantized, pick: Pick): Quantized {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [op, stride, pad] = [pick("MaxPool", "AveragePool"), pick(1, 2), pick(0, 1)];
  const out = (size: number): number => Math.floor((size + 2 * pad - 2) / stride) + 1;
  const attributes = {
    ...{ kernel_shape: ints([2, 2]), strides: ints([stride, stride]), pads: ints([pad, pad, pad, pad]) },
    ...(op === "AveragePool" && { count_include_pad: int(pick(0, 1)) }),
  };
  return b.between(op, [x], [batch, channels, out(height), out(width)], x.spread, attributes);
}

/** Squeeze and excitation: an average, a 1×1 convolution, Sigmoid, and the product. */
function gate(b: QuantizedBuilder, x: Quantized): Quantized {
  const [batch, channels] = x.shape as [number, number];
  const average = b.between("GlobalAveragePool", [x], [batch, channels, 1, 1], x.spread);
  const squeezed = b.convolution(average, channels, { kernel: [1, 1] });
  const gates = b.between("Sigmoid", [squeezed], squeezed.shape, 0.3, {}, true);
  return b.between("Mul", [x, gates], x.shape, x.spread);
}

/** A classifier's end, or the last values as they are: quantized or real. */
function ending(b: QuantizedBuilder, x: Quantized, pick: Pick): readonly string[] {
  const [batch, channels] = x.shape as [number, number];
  switch (pick("classifier", "classifier", "map", "integers")) {
    case "integers":
      return [x.value];
    case "map":
      return [b.dequantize(x)];
    default: {
      const average = b.between("GlobalAveragePool", [x], [batch, channels, 1, 1], x.spread);
      const flat = b.add("Flatten", b.name("flat"), [b.dequantize(average)], { axis: int(1) }, 13);
      const features = b.quantizeLike(flat, average, [batch, channels]);
      const logits = b.linear(features, pick(2, 5, 10));
      return [typeof logits === "string" ? logits : b.dequantize(logits)];
    }
  }
}
