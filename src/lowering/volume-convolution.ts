import type { KernelCall } from "../backend/backend.js";
import { convMacs } from "../core/conv-geometry.js";
import { elementCount, f32, type NamedArray, toFloat32 } from "../core/named-arrays.js";
import { intAttribute } from "../graph/attributes.js";
import { type Constant, plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { convTransposeWindow, convWindow, geometryOf, type SpatialWindow } from "./conv-geometry.js";
import { checkLargest, constantOperand, foldedBias, packingOf, writeScaledWeight } from "./convolution.js";
import type { Term } from "./fused-op.js";
import type { Addresses, Tensor } from "./step.js";

/**
 * Conv and ConvTranspose of volumes: every slice of the result is a sum of convolutions of images, one for each slice of the kernel that
 * meets a slice of the input there.
 */
export function lowerVolumeConvolution(
  lowering: Lowering,
  { node, affine }: Extract<Term, { kind: "convolution" }>,
  base: Tensor | undefined,
  relu: boolean,
): Tensor {
  const value = node.outputs[0]!;
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const output = lowering.create(value, lowering.shapeOf(value));
  const weight = constantOperand(lowering, node, 1);
  const transposed = node.op === "ConvTranspose";
  const window = transposed
    ? convTransposeWindow(lowering, node, input.shape, weight.shape)
    : convWindow(node, input.shape, weight.shape);
  const groups = intAttribute(node, "group", 1);
  const [batch, , depth] = input.shape as [number, number, number];
  const outDepth = output.shape[2]!;
  const channels = transposed
    ? { inChannels: weight.shape[1]! * groups, outChannels: weight.shape[0]! }
    : { inChannels: input.shape[1]!, outChannels: weight.shape[0]! };
  const geometry = geometryOf(node, { batch: 1, groups, ...channels }, imageWindow(window));
  const plan = transposed ? lowering.planTransposedConvolution(geometry) : lowering.planConvolution(geometry);
  const common = { geometry, layout: "oihw", factor: 1, bias: undefined, ...(transposed && { transposed }) } as const;
  const shape = weight.shape.toSpliced(2, 1);
  const weights = Array.from(
    { length: weight.shape[2]! },
    (_, slice): Constant => ({
      key: `${value} weight slice ${slice} ${JSON.stringify(plan.pack(1, 2))}`,
      words: plan.packedWords,
      count: elementCount(shape),
      write: (target) => {
        writeScaledWeight({ ...common, weight: sliceOf(weight, slice) }, affine, target);
        checkLargest(node, target, plan.largestWeight);
      },
      packing: packingOf({ ...common, weight: { shape } }, plan),
    }),
  );
  const own = node.inputs[2] ? Float64Array.from(toFloat32(constantOperand(lowering, node, 2))) : undefined;
  const shift = foldedBias(own, affine, output.shape[1]!);
  const bias = shift && plainConstant(`${value} bias`, shift);
  const meetings = Array.from({ length: outDepth }, (_, at) => meetingsOf(window, depth, at, transposed));
  const words = { from: input.buffer.words / batch / depth, to: output.buffer.words / batch / outDepth };

  const sliceCalls = (at: Addresses, n: number, d: number): readonly KernelCall[] => {
    const y = at.of(output.buffer) + (n * outDepth + d) * words.to;
    const pairs = meetings[d]!;
    if (pairs.length === 0) return untouched(y, words.to, bias && at.constant(bias), output.shape[1]!, base, relu);
    return pairs.flatMap(([from, slice], i) =>
      plan.run({
        input: at.of(input.buffer) + (n * depth + from) * words.from,
        packed: at.constant(weights[slice]!),
        output: y,
        workspace: at.workspace,
        ...(i === 0 && bias && { bias: at.constant(bias) }),
        relu: relu && i === pairs.length - 1,
        accumulate: i > 0 || base !== undefined,
      }),
    );
  };
  return lowering.emit({
    name: node.name,
    op: [node.op, (affine.scale || affine.shift) && "Affine", base && "Add", relu && "Relu"].filter(Boolean).join("+"),
    algorithm: plan.algorithm,
    macs: batch * convMacs(geometry) * meetings.flat().length,
    reads: base ? [input, base] : [input],
    output,
    ...(base && { accumulate: base }),
    constants: bias ? [...weights, bias] : weights,
    workspaceWords: plan.workspaceWords,
    calls: (at) =>
      Array.from({ length: batch * outDepth }, (_, i) => sliceCalls(at, Math.floor(i / outDepth), i % outDepth)).flat(),
  });
}

/** The window over the last two axes. */
function imageWindow({ sizes, kernel, strides, dilations, pads }: SpatialWindow): SpatialWindow {
  const last = (values: readonly number[]) => values.slice(1);
  return {
    ...{ sizes: last(sizes), kernel: last(kernel), strides: last(strides), dilations: last(dilations) },
    pads: [...pads.slice(1, 3), ...pads.slice(4)],
  };
}

/** Which slices of the input meet which slices of the kernel in slice `at` of the result. */
function meetingsOf(
  { kernel, strides, dilations, pads }: SpatialWindow,
  depth: number,
  at: number,
  transposed: boolean,
): (readonly [from: number, slice: number])[] {
  return Array.from({ length: kernel[0]! }, (_, slice) => {
    const reach = slice * dilations[0]!;
    const from = transposed ? (at + pads[0]! - reach) / strides[0]! : at * strides[0]! - pads[0]! + reach;
    return [from, slice] as const;
  }).filter(([from]) => Number.isInteger(from) && from >= 0 && from < depth);
}

/** A slice of the result that no slice of the input reaches: what it is added to, bias and ReLU. */
function untouched(
  y: number,
  n: number,
  bias: number | undefined,
  channels: number,
  base: Tensor | undefined,
  relu: boolean,
): readonly KernelCall[] {
  const calls: KernelCall[] = base ? [] : [{ kernel: "fill", args: { y, n, value: 0 } }];
  if (bias !== undefined) {
    const args = { x: y, bias, y, rows: n / channels, channels, relu: relu ? 1 : 0 };
    calls.push({ kernel: "bias_forward", args });
  } else if (relu && base) {
    calls.push({ kernel: "relu_forward", args: { x: y, y, n } });
  }
  return calls;
}

/** [o][i][z][y][x] → [o][i][y][x] of one z. */
function sliceOf(weight: NamedArray, slice: number): NamedArray {
  const [outputs, inputs, slices, ...image] = weight.shape as [number, number, number, ...number[]];
  const area = elementCount(image);
  const all = toFloat32(weight);
  const data = new Float32Array(outputs * inputs * area);
  for (let pair = 0; pair < outputs * inputs; pair++) {
    const from = (pair * slices + slice) * area;
    data.set(all.subarray(from, from + area), pair * area);
  }
  return f32([outputs, inputs, ...image], data);
}
