import type { KernelCall, Pointer } from "../backend/backend.js";
import type { ConvPlan } from "../backend/convolution.js";
import { type ConvGeometry, convGeometry, convMacs } from "../core/conv-geometry.js";
import { writeFloat32 } from "../core/deferred-array.js";
import { UserError } from "../core/errors.js";
import { elementCount, type NamedArray, toFloat32 } from "../core/named-arrays.js";
import { flagAttribute, floatAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { type Affine, identityAffine, perChannel } from "./affine.js";
import { type Constant, type Packing, plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { convGeometryOf, transposedGeometryOf } from "./conv-geometry.js";
import type { Term } from "./fused-op.js";
import { lacking } from "./lacking.js";
import type { Tensor } from "./step.js";

/** A Conv, ConvTranspose, Gemm or MatMul node as one convolution with constant weights. */
interface Convolution {
  /** Of a transposed one: of the convolution that takes its result to its input, whose gradient it is. */
  readonly geometry: ConvGeometry;
  readonly transposed?: true;
  readonly weight: NamedArray;
  /** [o][i][y][x], or [y][x][i][o] as the kernels want it. */
  readonly layout: "oihw" | "hwio";
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
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const output = lowering.create(value, lowering.shapeOf(value));
  return emitConvolution(lowering, {
    node,
    convolution: convolutionOf(lowering, node),
    input,
    output,
    affine,
    base,
    relu,
  });
}

/** A MatMul of a computed value by one constant matrix, and a constant addend (input 2): every row is a position. */
export function lowerLinear(lowering: Lowering, node: GraphNode): Tensor {
  const value = node.outputs[0]!;
  const input = lowering.rowMajor(lowering.tensor(node.inputs[0]!, node));
  const weight = constantOperand(lowering, node, 1);
  const [inChannels, outChannels] = weight.shape.slice(-2) as [number, number];
  const bias = node.inputs[2] ? constantOperand(lowering, node, 2) : undefined;
  const batch = input.buffer.words / inChannels;
  const convolution: Convolution = {
    geometry: convGeometry({ batch, height: 1, width: 1, inChannels, outChannels, kernel: 1 }),
    ...{ weight, layout: "hwio", factor: 1, bias: bias && Float64Array.from(toFloat32(bias)) },
  };
  const output = lowering.createRowMajor(value, lowering.shapeOf(value));
  const parts = { node, convolution, input, output, affine: identityAffine, base: undefined, relu: false };
  return emitConvolution(lowering, parts);
}

function emitConvolution(
  lowering: Lowering,
  parts: {
    readonly node: GraphNode;
    readonly convolution: Convolution;
    readonly input: Tensor;
    readonly output: Tensor;
    readonly affine: Affine;
    readonly base: Tensor | undefined;
    readonly relu: boolean;
  },
): Tensor {
  const { node, convolution, input, output, affine, base, relu } = parts;
  const value = node.outputs[0]!;
  const { geometry, transposed } = convolution;
  const plan = transposed ? lowering.planTransposedConvolution(geometry) : lowering.planConvolution(geometry);
  const weight: Constant = {
    // The pack calls say all about the packed layout: plans for other sizes share the weights where these are the same.
    key: `${value} weight ${JSON.stringify(plan.pack(1, 2))}`,
    words: plan.packedWords,
    count: elementCount(convolution.weight.shape),
    write: (target) => {
      writeScaledWeight(convolution, affine, target);
      checkLargest(node, target, plan.largestWeight);
    },
    packing: packingOf(convolution, plan),
  };
  const shift = foldedBias(convolution.bias, affine, outChannelsOf(convolution));
  const bias = shift && plainConstant(`${value} bias`, shift);
  const folded = affine.scale !== undefined || affine.shift !== undefined;
  return lowering.emit({
    name: node.name,
    op: [node.op, folded && "Affine", base && "Add", relu && "Relu"].filter(Boolean).join("+"),
    algorithm: plan.algorithm,
    macs: convMacs(geometry),
    ...(!transposed && { convolution: geometry }),
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

function convolutionOf(lowering: Lowering, node: GraphNode): Convolution {
  if (node.op !== "Conv" && node.op !== "ConvTranspose") return fromMatrixProduct(lowering, node);
  const weight = constantOperand(lowering, node, 1);
  const bias = node.inputs[2] ? constantOperand(lowering, node, 2) : undefined;
  const common = { weight, layout: "oihw", factor: 1, bias: bias && Float64Array.from(toFloat32(bias)) } as const;
  const input = lowering.shapeOf(node.inputs[0]!);
  if (node.op === "Conv") return { ...common, geometry: convGeometryOf(node, input, weight.shape) };
  return { ...common, geometry: transposedGeometryOf(lowering, node, input, weight.shape), transposed: true };
}

function outChannelsOf({ geometry, transposed }: Convolution): number {
  return transposed ? geometry.inChannels : geometry.outChannels;
}

function fromMatrixProduct(lowering: Lowering, node: GraphNode): Convolution {
  if (flagAttribute(node, "transA", false)) throw lacking(node, "transA = 0", "transA = 1");
  const [batch, inChannels] = lowering.shapeOf(node.inputs[0]!) as [number, number];
  const shape = lowering.shapeOf(node.outputs[0]!);
  const outChannels = shape[1]!;
  const weight = constantOperand(lowering, node, 1);
  const transposed = flagAttribute(node, "transB", false);
  const added = node.inputs[2] ? constantOperand(lowering, node, 2) : undefined;
  const bias = added && perChannel(added, shape);
  if (added && !bias) throw lacking(node, "a bias of one number a column", `one of shape [${added.shape}]`);
  const beta = floatAttribute(node, "beta", 1);
  return {
    geometry: convGeometry({ batch, height: 1, width: 1, inChannels, outChannels, kernel: 1 }),
    weight,
    layout: transposed ? "oihw" : "hwio",
    factor: floatAttribute(node, "alpha", 1),
    bias: bias?.map((b) => b * beta),
  };
}

/** The weight times the factors of its outputs, made in float64 and rounded once. */
export function writeScaledWeight(convolution: Convolution, { scale }: Affine, target: Float32Array): void {
  const { geometry, weight, layout, transposed, factor } = convolution;
  writeFloat32(weight, target);
  if (!scale && factor === 1) return;
  const outputs = outChannelsOf(convolution);
  const factors = Float64Array.from({ length: outputs }, (_, o) => factor * (scale ? scale[o]! : 1));
  if (transposed) {
    // [i][outputs of its group][y][x]
    const ownOutputs = outputs / geometry.groups;
    const groupInputs = geometry.outChannels / geometry.groups;
    const taps = geometry.kernelHeight * geometry.kernelWidth;
    for (let at = 0; at < target.length; at++) {
      const pair = Math.floor(at / taps);
      const group = Math.floor(pair / ownOutputs / groupInputs);
      target[at] = target[at]! * factors[group * ownOutputs + (pair % ownOutputs)]!;
    }
    return;
  }
  const run = layout === "oihw" ? target.length / outputs : 1; // elements of one output side by side
  for (let at = 0, o = 0; at < target.length; o = (o + 1) % outputs) {
    const by = factors[o]!;
    for (const end = at + run; at < end; at++) target[at] = target[at]! * by;
  }
}

/** @throws UserError for weights that the plan's packing would make infinite */
export function checkLargest(node: GraphNode, weights: Float32Array, limit: number | undefined): void {
  if (limit === undefined) return;
  const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  if (largest <= limit) return;
  throw new UserError({
    expected: `weights of "${node.name}" up to ${limit}, as float16 holds them`,
    received: `${largest}`,
    remedy: "leave halfWeights out",
  });
}

/**
 * Turns weights to HWIO, then packs them. Fresh memory costs more than the work in it: where they are turned twice, they pass
 * through their final place if it is large enough (float16 ones need half).
 */
export function packingOf(
  {
    geometry: g,
    weight,
    layout,
  }: Pick<Convolution, "geometry" | "layout"> & { readonly weight: { readonly shape: readonly number[] } },
  plan: ConvPlan,
): Packing {
  const count = elementCount(weight.shape);
  if (layout === "hwio") return { roomWords: count, calls: plan.pack };
  const [inputs, taps] = [g.inChannels / g.groups, g.kernelHeight * g.kernelWidth];
  const turn = (x: Pointer, y: Pointer, batch: number, channels: number, positions: number): KernelCall => ({
    kernel: "nchw_to_nhwc",
    args: { x, y, batch, channels, positions },
  });
  if (taps === 1) {
    const turned = (room: Pointer): Pointer => room + count;
    return {
      roomWords: 2 * count,
      calls: (room, packed) => [turn(room, turned(room), 1, g.outChannels, inputs), ...plan.pack(turned(room), packed)],
    };
  }
  const fits = plan.packedWords >= count;
  return {
    roomWords: fits ? count : 2 * count,
    calls: (room, packed) => {
      const turned = fits ? packed : room + count;
      return [
        turn(room, turned, g.outChannels, inputs, taps), // → [o][y][x][i]
        turn(turned, room, 1, g.outChannels, taps * inputs),
        ...plan.pack(room, packed),
      ];
    },
  };
}

export function foldedBias(
  bias: Float64Array | undefined,
  { scale, shift }: Affine,
  channels: number,
): Float64Array | undefined {
  if (!bias && !shift) return undefined;
  return Float64Array.from({ length: channels }, (_, c) => (bias?.[c] ?? 0) * (scale?.[c] ?? 1) + (shift?.[c] ?? 0));
}

export function constantOperand(lowering: Lowering, node: GraphNode, index: number): NamedArray {
  const name = node.inputs[index]!;
  const constant = lowering.graph.constants.get(name);
  if (constant) return constant;
  throw lacking(node, index === 1 ? "constant weights" : "a constant bias", `"${name}", which is computed`);
}
