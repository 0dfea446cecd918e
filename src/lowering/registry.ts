import { UserError } from "../core/errors.js";
import type { GraphNode } from "../graph/graph.js";
import { binaryLowerings } from "./binary.js";
import { lowerComputedConvolution } from "./computed-convolution.js";
import { lowerConcat } from "./concat.js";
import type { Lowering } from "./context.js";
import { lowerDepthToSpace, lowerSpaceToDepth } from "./depth.js";
import { elementwiseLowerings } from "./elementwise.js";
import type { FusedOp } from "./fused-op.js";
import { lowerGather, lowerGatherElements } from "./gather.js";
import { lowerGridSample } from "./grid-sample.js";
import { lowerGemm, lowerMatMul } from "./matmul.js";
import { lowerNonMaxSuppression } from "./non-max-suppression.js";
import {
  lowerGroupNormalization,
  lowerInstanceNormalization,
  lowerLayerNormalization,
  lowerLocalResponse,
  lowerLpNormalization,
  lowerMeanVarianceNormalization,
} from "./normalize.js";
import { lowerPad } from "./pad.js";
import { lowerGlobalAveragePool, lowerGlobalPool, lowerPool } from "./pool.js";
import { lowerArgExtreme, reduceLowerings } from "./reduce.js";
import { lowerExpand, lowerTile } from "./repeat.js";
import { lowerResize } from "./resize.js";
import { lowerGatherND, lowerScatterElements, lowerScatterND } from "./scatter.js";
import { lowerCumSum, lowerTopK } from "./select.js";
import { lowerIdentity, lowerReshape } from "./shape.js";
import { lowerSlice, lowerSplit } from "./slice.js";
import { lowerSoftmax } from "./softmax.js";
import { spelledOperators } from "./spell-out.js";
import { lowerSum } from "./sum.js";
import { lowerTranspose } from "./transpose.js";
import { lowerCast, unaryLowerings } from "./unary.js";
import { lowerWhere } from "./where.js";

/**
 * Operators that are lowered by themselves. Those that fusion turns into sums are in {@link fusedOperators}, those that are spelled out in others
 * before in {@link spelledOperators}.
 */
const lowerings: Readonly<Record<string, (lowering: Lowering, node: GraphNode) => void>> = {
  ...binaryLowerings,
  ...elementwiseLowerings,
  ...reduceLowerings,
  ...unaryLowerings,
  ArgMax: lowerArgExtreme,
  ArgMin: lowerArgExtreme,
  AveragePool: lowerPool,
  Cast: lowerCast,
  CastLike: lowerCast,
  Concat: lowerConcat,
  Conv: lowerComputedConvolution,
  ConvTranspose: lowerComputedConvolution,
  CumSum: lowerCumSum,
  DepthToSpace: lowerDepthToSpace,
  Dropout: lowerIdentity,
  Expand: lowerExpand,
  Flatten: lowerReshape,
  Gather: lowerGather,
  GatherElements: lowerGatherElements,
  GatherND: lowerGatherND,
  Gemm: lowerGemm,
  GlobalAveragePool: lowerGlobalAveragePool,
  GlobalLpPool: lowerGlobalPool,
  GlobalMaxPool: lowerGlobalPool,
  GridSample: lowerGridSample,
  GroupNormalization: lowerGroupNormalization,
  Identity: lowerIdentity,
  InstanceNormalization: lowerInstanceNormalization,
  LRN: lowerLocalResponse,
  LayerNormalization: lowerLayerNormalization,
  LogSoftmax: lowerSoftmax,
  LpNormalization: lowerLpNormalization,
  LpPool: lowerPool,
  MatMul: lowerMatMul,
  MaxPool: lowerPool,
  MeanVarianceNormalization: lowerMeanVarianceNormalization,
  NonMaxSuppression: lowerNonMaxSuppression,
  Pad: lowerPad,
  RMSNormalization: lowerLayerNormalization,
  Reshape: lowerReshape,
  Resize: lowerResize,
  Scatter: lowerScatterElements,
  ScatterElements: lowerScatterElements,
  ScatterND: lowerScatterND,
  Slice: lowerSlice,
  Softmax: lowerSoftmax,
  SpaceToDepth: lowerSpaceToDepth,
  Split: lowerSplit,
  Squeeze: lowerReshape,
  Tile: lowerTile,
  TopK: lowerTopK,
  Transpose: lowerTranspose,
  Unsqueeze: lowerReshape,
  Upsample: lowerResize,
  Where: lowerWhere,
};

const fusedOperators = ["BatchNormalization", "Relu"];

/** Those that integer steps do, and operators that become them. */
const integerOperators = ["DequantizeLinear", "QLinearConv", "QLinearMatMul", "QuantizeLinear"];

/** Every operator of ONNX's that the engine has; {@link limits} says in which forms it has not. */
export const engineOperators: ReadonlySet<string> = new Set([
  ...Object.keys(lowerings),
  ...fusedOperators,
  ...integerOperators,
  ...spelledOperators,
]);

/** @throws UserError naming the node and its operator where the engine lacks it. */
export function lower(lowering: Lowering, op: FusedOp): void {
  if (op.kind === "sum") {
    lowerSum(lowering, op);
    return;
  }
  const { node } = op;
  const lowerNode = lowerings[node.op];
  if (lowerNode === undefined) throw lackingForm(lowering, node);
  lowerNode(lowering, node);
}

/** Whether the engine has a node's operator; not yet whether in the form in which it stands there. */
export function hasOperator({ domain, op }: GraphNode): boolean {
  return domain === "" && engineOperators.has(op);
}

/** A node of an operator that only fusion knows, or that is only spelled out, which they left. */
function lackingForm(lowering: Lowering, node: GraphNode): UserError {
  const shapes = node.inputs.map((input) => `${input}: [${lowering.graph.shapes.get(input) ?? "?"}]`);
  const has = spelledOperators.includes(node.op)
    ? "at most two operands, each label once in each, of one size"
    : "operands of one shape, or one constant a channel";
  return new UserError({
    expected: `a form of ${node.op} that the engine has (${has})`,
    received: `node "${node.name}" (${node.op}) with ${shapes.join(", ")}`,
  });
}
