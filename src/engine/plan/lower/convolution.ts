import { type ConvGeometry, checkConvGeometry, convGeometry, convMacs } from "../../../core/conv-geometry.js";
import { UserError } from "../../../core/errors.js";
import { type NamedArray, toFloat32 } from "../../../core/named-arrays.js";
import { floatAttribute, intAttribute } from "../../../graph/attributes.js";
import type { GraphNode } from "../../../graph/graph.js";
import { windowOf } from "../../../graph/window.js";
import { type Affine, perChannel } from "../affine.js";
import type { Constant } from "../constants.js";
import type { Term } from "../fusion.js";
import type { Tensor } from "../step.js";
import type { Lowering } from "./context.js";

/** A Conv, Gemm or MatMul node as one convolution with constant weights. */
interface Convolution {
  readonly geometry: ConvGeometry;
  /** Element [o][i][y][x] of the weight is at o · outStride + i · inStride + y · kernelWidth + x. */
  readonly weight: NamedArray;
  readonly outStride: number;
  readonly inStride: number;
  /** Factor of all weights (Gemm's alpha). */
  readonly factor: number;
  readonly bias: Float64Array | undefined;
}

/** Emits a convolution, its per-channel affine folded into weights and bias; onto `base` where there is one. */
export function lowerConvolution(
  lowering: Lowering,
  term: Extract<Term, { kind: "convolution" }>,
  base: Tensor | undefined,
  relu: boolean,
): Tensor {
  const { node, affine } = term;
  const value = node.outputs[0]!;
  const convolution = node.op === "Conv" ? fromConv(lowering, node) : fromMatrixProduct(lowering, node);
  const { geometry } = convolution;
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const plan = lowering.planConvolution(geometry);
  const weight: Constant = {
    // The pack calls say all about the packed layout: plans for other sizes share the weights where these are the same.
    key: `${value} weight ${JSON.stringify(plan.pack(1, 2))}`,
    words: plan.packedWords,
    data: () => kernelLayoutWeight(convolution, affine),
    pack: (data, packed) => plan.pack(data, packed),
  };
  const shift = foldedBias(convolution.bias, affine, geometry.outChannels);
  const bias: Constant | undefined = shift && {
    key: `${value} bias`,
    words: shift.length,
    data: () => Float32Array.from(shift),
  };
  const output = lowering.create(value, lowering.shapeOf(value));
  const folded = affine.scale !== undefined || affine.shift !== undefined;
  return lowering.emit({
    name: node.name,
    op: [node.op, folded && "Affine", base && "Add", relu && "Relu"].filter(Boolean).join("+"),
    algorithm: plan.algorithm,
    macs: convMacs(geometry),
    convolution: geometry,
    reads: base ? [input, base] : [input],
    output,
    ...(base && { accumulate: base }),
    constants: bias ? [weight, bias] : [weight],
    workspaceWords: plan.workspaceWords,
    calls: (at) =>
      plan.run({
        input: at.of(input.buffer),
        packed: at.constant(weight),
        output: at.of(output.buffer),
        workspace: at.workspace,
        ...(bias && { bias: at.constant(bias) }),
        relu,
        accumulate: base !== undefined,
      }),
  });
}

function fromConv(lowering: Lowering, node: GraphNode): Convolution {
  const weight = constantOperand(lowering, node, 1);
  const bias = node.inputs[2] ? constantOperand(lowering, node, 2) : undefined;
  const geometry = convGeometryOf(node, lowering.shapeOf(node.inputs[0]!), weight.shape);
  const area = geometry.kernelHeight * geometry.kernelWidth;
  return {
    geometry,
    weight,
    outStride: weight.shape[1]! * area,
    inStride: area,
    factor: 1,
    bias: bias && Float64Array.from(toFloat32(bias)),
  };
}

function fromMatrixProduct(lowering: Lowering, node: GraphNode): Convolution {
  if (intAttribute(node, "transA", 0) !== 0) throw lacking(node, "transA = 0", "transA = 1");
  const [batch, inChannels] = lowering.shapeOf(node.inputs[0]!) as [number, number];
  const shape = lowering.shapeOf(node.outputs[0]!);
  const outChannels = shape[1]!;
  const weight = constantOperand(lowering, node, 1);
  const transposed = intAttribute(node, "transB", 0) !== 0;
  const added = node.inputs[2] ? constantOperand(lowering, node, 2) : undefined;
  const bias = added && perChannel(added, shape);
  if (added && !bias) throw lacking(node, "a bias of one number a column", `one of shape [${added.shape}]`);
  const beta = floatAttribute(node, "beta", 1);
  return {
    geometry: convGeometry({ batch, height: 1, width: 1, inChannels, outChannels, kernel: 1 }),
    weight,
    outStride: transposed ? inChannels : 1,
    inStride: transposed ? 1 : outChannels,
    factor: floatAttribute(node, "alpha", 1),
    bias: bias?.map((b) => b * beta),
  };
}

function convGeometryOf(node: GraphNode, input: readonly number[], weight: readonly number[]): ConvGeometry {
  if (input.length !== 4) throw lacking(node, "images [N, C, H, W]", `[${input}]`);
  const [batch, inChannels, height, width] = input as [number, number, number, number];
  const { kernel, strides, dilations, pads } = windowOf(node, weight.slice(2), [height, width]);
  const [padTop, padLeft, padBottom, padRight] = pads as [number, number, number, number];
  const geometry: ConvGeometry = {
    ...{ batch, height, width, inChannels, outChannels: weight[0]! },
    ...{ kernelHeight: kernel[0]!, kernelWidth: kernel[1]! },
    ...{ strideHeight: strides[0]!, strideWidth: strides[1]! },
    ...{ padTop, padLeft, padBottom, padRight },
    ...{ dilationHeight: dilations[0]!, dilationWidth: dilations[1]! },
    groups: intAttribute(node, "group", 1),
  };
  checkConvGeometry(geometry);
  return geometry;
}

/** Outputs that are taken together: what is written is a whole cache line, what is read a few of them. */
const outputsAtOnce = 16;

/** [kernelHeight][kernelWidth][inChannels / groups][outChannels], scaled in float64 and rounded once. */
function kernelLayoutWeight(convolution: Convolution, { scale }: Affine): Float32Array {
  const { geometry: g, weight, outStride, inStride, factor } = convolution;
  const source = toFloat32(weight);
  const [inputs, outputs, area] = [g.inChannels / g.groups, g.outChannels, g.kernelHeight * g.kernelWidth];
  const factors = Float64Array.from({ length: outputs }, (_, o) => factor * (scale ? scale[o]! : 1));
  const result = new Float32Array(area * inputs * outputs);
  for (let first = 0; first < outputs; first += outputsAtOnce) {
    const end = Math.min(outputs, first + outputsAtOnce);
    for (let i = 0; i < inputs; i++) {
      for (let k = 0; k < area; k++) {
        const to = (k * inputs + i) * outputs;
        let from = first * outStride + i * inStride + k;
        for (let o = first; o < end; o++, from += outStride) result[to + o] = source[from]! * factors[o]!;
      }
    }
  }
  return result;
}

function foldedBias(
  bias: Float64Array | undefined,
  { scale, shift }: Affine,
  channels: number,
): Float64Array | undefined {
  if (!bias && !shift) return undefined;
  return Float64Array.from({ length: channels }, (_, c) => (bias?.[c] ?? 0) * (scale?.[c] ?? 1) + (shift?.[c] ?? 0));
}

function constantOperand(lowering: Lowering, node: GraphNode, index: number): NamedArray {
  const name = node.inputs[index]!;
  const constant = lowering.graph.constants.get(name);
  if (constant) return constant;
  throw lacking(node, index === 1 ? "constant weights" : "a constant bias", `"${name}", which is computed`);
}

function lacking(node: GraphNode, expected: string, received: string): UserError {
  return new UserError({ expected: `${expected} in node "${node.name}" (${node.op})`, received });
}
