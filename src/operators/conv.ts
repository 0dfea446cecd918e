import { elementCount } from "../core/named-arrays.js";
import { intAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { ranked, sameSize, vectorOf } from "../graph/operator/checks.js";
import { windowedDimension } from "../graph/operator/dimensions.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";
import { autoPadOf, type Window, windowOf, windowOutput } from "../graph/window.js";
import { forEachTap, type Window3, window3 } from "./taps.js";

const own = signature("X:T W:T B?:T -> Y:T", { T: floats });

/** A convolution's weight with its window; undefined where the weight's shape is not known. @throws ShapeError where operands do not fit. */
function checkedWeight(
  context: NodeContext,
): { readonly weight: readonly number[]; readonly groups: number } | undefined {
  const weight = ranked(
    context,
    1,
    (rank) => rank >= 3 && rank <= 5,
    "a weight [M, C/group, k…] of 1 to 3 spatial axes",
  );
  const groups = intAttribute(context.node, "group", 1);
  if (!(groups >= 1)) refuse(context, "a group of at least 1", String(groups));
  if (!weight?.every((size) => typeof size === "number")) return undefined;
  const x = ranked(
    context,
    0,
    [weight.length],
    `an input of ${weight.length} axes, as the weight ${describe(weight)} has`,
  );
  const [outChannels, groupChannels] = weight as readonly number[];
  if (outChannels! % groups !== 0) refuse(context, `output channels that ${groups} groups divide`, `${outChannels}`);
  if (x && typeof x[1] === "number" && x[1] !== groupChannels! * groups) {
    refuse(
      context,
      `an input of ${groupChannels! * groups} channels (${groups} × ${groupChannels}, by the weight ${describe(weight)})`,
      `${x[1]}: ${describe(x)}`,
    );
  }
  if (context.node.inputs[2]) vectorOf(context, 2, "bias", outChannels);
  return { weight: weight as readonly number[], groups };
}

/**
 * Sizes of a window's outputs.
 * @param what "kernel", for messages
 * @throws ShapeError where the window does not fit into the padded input.
 */
export function windowedSizes(
  context: NodeContext,
  sizes: readonly Dimension[],
  kernel: readonly number[],
): Dimension[] | undefined {
  const window = windowOf(context.node, kernel, sizes);
  const { pads } = window;
  if (!pads) return sizes.map((_, axis) => `${context.node.outputs[0]}:${axis + 2}`);
  return sizes.map((size, axis) => {
    if (typeof size === "number") {
      const output = windowOutput({ ...window, pads }, axis, size);
      if (output >= 1 || size === 0) return Math.max(output, 0);
      return refuse(
        context,
        `an input of at least ${extentOf(window, axis) - pads[axis]! - pads[axis + kernel.length]!} along spatial axis ${axis} for a kernel of ${extentOf(window, axis)}`,
        `${size}`,
        "give a larger --input-size",
      );
    }
    const growth = pads[axis]! + pads[axis + kernel.length]! - extentOf(window, axis);
    return windowedDimension(
      size,
      window.ceilMode ? growth + window.strides[axis]! - 1 : growth,
      window.strides[axis]!,
    );
  });
}

const extentOf = ({ kernel, dilations }: Window, axis: number): number => (kernel[axis]! - 1) * dilations[axis]! + 1;

/** Spatial sizes of a weight; the attribute kernel_shape, which may be absent, has to agree. */
export function kernelOf(context: NodeContext, weight: readonly number[]): readonly number[] {
  const kernel = weight.slice(2);
  const stated = context.node.attributes["kernel_shape"];
  if (stated?.type === "ints" && `${stated.value}` !== `${kernel}`) {
    refuse(context, `kernel_shape [${kernel.join(", ")}], as the weight has it`, `[${stated.value.join(", ")}]`);
  }
  return kernel;
}

/** y[n, o, p] = b[o] + Σ W[o, i, t] · x[n, i, p·stride − pad + t·dilation]. */
export const conv: Operator = {
  name: "Conv",
  versions: [1, 11, 22],
  signature: () => own,
  infer(context) {
    const checked = checkedWeight(context);
    if (!checked) return [undefined];
    const { weight } = checked;
    const kernel = kernelOf(context, weight);
    const x: Shape = context.shape(0) ?? weight.map((_, axis) => `${context.node.inputs[0]}:${axis}`);
    const sizes = windowedSizes(context, x.slice(2), kernel);
    return [sizes && [x[0]!, weight[0]!, ...sizes]];
  },
  evaluate: (call) => {
    const [x, weight, bias] = call.inputs;
    return [convolved(x!, weight!, bias, call)];
  },
};

function convolved(
  x: Tensor64,
  weight: Tensor64,
  bias: Tensor64 | undefined,
  { node, outputShapes }: { node: NodeContext["node"]; outputShapes: readonly (readonly number[] | undefined)[] },
): Tensor64 {
  const groups = intAttribute(node, "group", 1);
  const [outChannels, groupChannels] = weight.shape as [number, number];
  const [batch, inChannels] = x.shape as [number, number];
  const shape = outputShapes[0]!;
  const window = window3(
    windowOf(node, weight.shape.slice(2), x.shape.slice(2)) as Window & { pads: readonly number[] },
    x.shape.slice(2),
    shape.slice(2),
  );
  const [inArea, outArea, taps] = [
    elementCount(window.input),
    elementCount(window.output),
    elementCount(window.kernel),
  ];
  const positions = tapPositions(window);
  const result = zeros(shape);
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      const to = (n * outChannels + o) * outArea;
      if (bias) result.fill(bias.data[o]!, to, to + outArea);
      const firstInput = Math.floor(o / (outChannels / groups)) * groupChannels;
      for (let i = 0; i < groupChannels; i++) {
        const from = (n * inChannels + firstInput + i) * inArea;
        for (let tap = 0; tap < taps; tap++) {
          const w = weight.data[(o * groupChannels + i) * taps + tap]!;
          addTap(result, to, x.data, from, positions, tap * outArea, outArea, w);
        }
      }
    }
  }
  return tensor64(shape, result, x.dtype);
}

/** [taps][positions]: the input position that a tap reads at an output position, −1 in the padding. */
function tapPositions(window: Window3): Int32Array {
  const outArea = elementCount(window.output);
  const positions = new Int32Array(elementCount(window.kernel) * outArea);
  forEachTap(window, (output, input, tap) => {
    positions[tap * outArea + output] = input;
  });
  return positions;
}

function addTap(
  result: Float64Array,
  to: number,
  x: Float64Array,
  from: number,
  positions: Int32Array,
  first: number,
  count: number,
  weight: number,
): void {
  for (let p = 0; p < count; p++) {
    const input = positions[first + p]!;
    if (input >= 0) result[to + p]! += weight * x[from + input]!;
  }
}

const transposeSignature = signature("X:T W:T B?:T -> Y:T", { T: floats });

/** A transposed convolution's geometry, all defaults filled in. Pads are (begins…, ends…). */
export interface TransposedWindow {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly output: readonly number[];
  readonly groups: number;
}

/** What ConvTranspose's attributes say for an input of given spatial sizes (ONNX: output_shape wins over pads, and says where they go by auto_pad). */
export function transposedWindow(
  context: NodeContext,
  kernel: readonly number[],
  sizes: readonly number[],
): TransposedWindow {
  const { node } = context;
  const groups = intAttribute(node, "group", 1);
  const { strides, dilations } = windowOf(
    { ...node, attributes: { ...node.attributes, auto_pad: { type: "string", value: "NOTSET" } } },
    kernel,
  );
  const list = (name: string): readonly number[] | undefined => {
    const found = node.attributes[name];
    return found?.type === "ints" ? found.value : undefined;
  };
  const extra = list("output_padding") ?? kernel.map(() => 0);
  if (
    extra.length !== kernel.length ||
    extra.some((e, axis) => e < 0 || e >= Math.max(strides[axis]!, dilations[axis]!))
  ) {
    refuse(context, "an output_padding below stride or dilation", `[${extra.join(", ")}]`);
  }
  const full = sizes.map(
    (size, axis) => strides[axis]! * (size - 1) + extra[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1,
  );
  const auto = autoPadOf(node);
  const wanted =
    list("output_shape")?.slice(-kernel.length) ??
    (auto.startsWith("SAME") ? sizes.map((size, axis) => size * strides[axis]!) : undefined);
  const split = (total: number, before: boolean): [number, number] =>
    before ? [Math.ceil(total / 2), Math.floor(total / 2)] : [Math.floor(total / 2), Math.ceil(total / 2)];
  if (wanted) {
    if (wanted.length !== kernel.length)
      refuse(context, `an output_shape of ${kernel.length} sizes`, `[${wanted.join(", ")}]`);
    // Larger than everything that the input reaches: the rest behind (negative pads).
    const pairs = wanted.map((size, axis) => {
      const total = full[axis]! - size;
      // ONNX Runtime, as the definition: the odd one before the input unless auto_pad is SAME_UPPER.
      return total < 0 ? ([0, total] as const) : split(total, auto !== "SAME_UPPER");
    });
    return {
      kernel,
      strides,
      dilations,
      groups,
      pads: [...pairs.map(([begin]) => begin), ...pairs.map(([, end]) => end)],
      output: wanted,
    };
  }
  const pads =
    auto === "NOTSET" ? (list("pads") ?? [...kernel, ...kernel].map(() => 0)) : [...kernel, ...kernel].map(() => 0);
  return {
    kernel,
    strides,
    dilations,
    groups,
    pads,
    output: full.map((size, axis) => size - pads[axis]! - pads[axis + kernel.length]!),
  };
}

/** y[n, o, i·stride − pad + t·dilation] += W[i, o, t] · x[n, i, position]: the transposed (fractionally strided) convolution. W is [C, M/group, k…]. */
export const convTranspose: Operator = {
  name: "ConvTranspose",
  versions: [1, 11, 22],
  signature: () => transposeSignature,
  infer(context) {
    const weight = ranked(
      context,
      1,
      (rank) => rank >= 3 && rank <= 5,
      "a weight [C, M/group, k…] of 1 to 3 spatial axes",
    );
    const groups = intAttribute(context.node, "group", 1);
    if (!(groups >= 1)) refuse(context, "a group of at least 1", String(groups));
    if (!weight?.every((size) => typeof size === "number")) return [undefined];
    const [inChannels, groupChannels] = weight as readonly number[];
    if (inChannels! % groups !== 0) refuse(context, `input channels that ${groups} groups divide`, `${inChannels}`);
    const given = ranked(
      context,
      0,
      [weight.length],
      `an input of ${weight.length} axes, as the weight ${describe(weight)} has`,
    );
    if (given) sameSize(context, `input channels (by the weight ${describe(weight)})`, inChannels, given[1]);
    if (context.node.inputs[2]) vectorOf(context, 2, "bias", groupChannels! * groups);
    const x: Shape = given ?? weight.map((_, axis) => `${context.node.inputs[0]}:${axis}`);
    const kernel = kernelOf(context, weight as readonly number[]);
    const sizes = x.slice(2);
    const output = sizes.every((size) => typeof size === "number")
      ? transposedWindow(context, kernel, sizes as readonly number[]).output
      : sizes.map((_, axis) => `${context.node.outputs[0]}:${axis + 2}`);
    const none = output.find((size) => typeof size === "number" && size < 1);
    if (none !== undefined) refuse(context, "output sizes from 1", describe(output));
    return [[x[0]!, groupChannels! * groups, ...output]];
  },
  evaluate: (call) => {
    const [x, weight, bias] = call.inputs;
    return [spread(x!, weight!, bias, call)];
  },
};

function spread(
  x: Tensor64,
  weight: Tensor64,
  bias: Tensor64 | undefined,
  call: NodeContext & { outputShapes: readonly (readonly number[] | undefined)[] },
): Tensor64 {
  const shape = call.outputShapes[0]!;
  const own = transposedWindow(call, weight.shape.slice(2), x.shape.slice(2));
  // Read backwards: the convolution of this window takes the output to the input.
  const window = window3({ ...own, ceilMode: false }, shape.slice(2), x.shape.slice(2));
  const [batch, inChannels] = x.shape as [number, number];
  const [outChannels, groupOutputs] = [shape[1]!, weight.shape[1]!];
  const [inArea, outArea, taps] = [
    elementCount(window.output),
    elementCount(window.input),
    elementCount(window.kernel),
  ];
  const positions = tapPositions(window);
  const result = zeros(shape);
  for (let n = 0; n < batch; n++) {
    if (bias)
      for (let o = 0; o < outChannels; o++)
        result.fill(bias.data[o]!, (n * outChannels + o) * outArea, (n * outChannels + o + 1) * outArea);
    for (let i = 0; i < inChannels; i++) {
      const firstOutput = Math.floor(i / (inChannels / own.groups)) * groupOutputs;
      for (let o = 0; o < groupOutputs; o++) {
        for (let tap = 0; tap < taps; tap++) {
          const w = weight.data[(i * groupOutputs + o) * taps + tap]!;
          for (let p = 0; p < inArea; p++) {
            const to = positions[tap * inArea + p]!;
            if (to >= 0)
              result[(n * outChannels + firstOutput + o) * outArea + to]! +=
                w * x.data[(n * inChannels + i) * inArea + p]!;
          }
        }
      }
    }
  }
  return tensor64(shape, result, x.dtype);
}
