import { UserError } from "../../../core/errors.js";
import type { GraphNode } from "../../../graph/graph.js";
import type { FusedOp } from "../fusion.js";
import { binaryLowerings } from "./binary.js";
import { lowerConcat } from "./concat.js";
import type { Lowering } from "./context.js";
import { lowerDepthToSpace, lowerSpaceToDepth } from "./depth.js";
import { elementwiseLowerings } from "./elementwise.js";
import { lowerGather, lowerGatherElements } from "./gather.js";
import { lacking } from "./lacking.js";
import {
  lowerGroupNormalization,
  lowerInstanceNormalization,
  lowerLayerNormalization,
  lowerLocalResponse,
  lowerLpNormalization,
  lowerMeanVarianceNormalization,
} from "./normalize.js";
import { lowerPad, lowerResize } from "./places.js";
import { lowerGlobalAveragePool, lowerGlobalMaxPool, lowerPool } from "./pool.js";
import { lowerArgExtreme, reduceLowerings } from "./reduce.js";
import { lowerExpand, lowerTile } from "./repeat.js";
import { lowerIdentity, lowerReshape } from "./shape.js";
import { lowerSlice, lowerSplit } from "./slice.js";
import { lowerSoftmax } from "./softmax.js";
import { lowerSum } from "./sum.js";
import { lowerTranspose } from "./transpose.js";
import { lowerCast, unaryLowerings } from "./unary.js";
import { lowerWhere } from "./where.js";

/** Operators that are lowered by themselves. Those that fusion turns into sums are in {@link fusedOperators}. */
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
  DepthToSpace: lowerDepthToSpace,
  Dropout: lowerIdentity,
  Expand: lowerExpand,
  Flatten: lowerReshape,
  Gather: lowerGather,
  GatherElements: lowerGatherElements,
  GlobalAveragePool: lowerGlobalAveragePool,
  GlobalMaxPool: lowerGlobalMaxPool,
  GroupNormalization: lowerGroupNormalization,
  Identity: lowerIdentity,
  InstanceNormalization: lowerInstanceNormalization,
  LRN: lowerLocalResponse,
  LayerNormalization: lowerLayerNormalization,
  LogSoftmax: lowerSoftmax,
  LpNormalization: lowerLpNormalization,
  MaxPool: lowerPool,
  MeanVarianceNormalization: lowerMeanVarianceNormalization,
  Pad: lowerPad,
  RMSNormalization: lowerLayerNormalization,
  Reshape: lowerReshape,
  Resize: lowerResize,
  Slice: lowerSlice,
  Softmax: lowerSoftmax,
  SpaceToDepth: lowerSpaceToDepth,
  Split: lowerSplit,
  Squeeze: lowerReshape,
  Tile: lowerTile,
  Transpose: lowerTranspose,
  Unsqueeze: lowerReshape,
  Upsample: lowerResize,
  Where: lowerWhere,
};

const fusedOperators = ["BatchNormalization", "Conv", "Gemm", "MatMul", "Relu"];

/** @throws UserError naming the node and its operator where the engine lacks it. */
export function lower(lowering: Lowering, op: FusedOp): void {
  if (op.kind === "sum") {
    lowerSum(lowering, op);
    return;
  }
  const { node } = op;
  const lowerNode = node.domain === "" && Object.hasOwn(lowerings, node.op) ? lowerings[node.op] : undefined;
  if (lowerNode === undefined) throw lackingOperator(lowering, node);
  refuseNothing(lowering, node);
  lowerNode(lowering, node);
}

function lackingOperator(lowering: Lowering, node: GraphNode): UserError {
  const received = `node "${node.name}" (${node.domain && `${node.domain}.`}${node.op})`;
  if (node.domain === "" && fusedOperators.includes(node.op)) {
    const shapes = node.inputs.map((input) => `${input}: [${lowering.graph.shapes.get(input) ?? "?"}]`);
    return new UserError({
      expected: `a form of ${node.op} that the engine has (operands of one shape, or one constant a channel)`,
      received: `${received} with ${shapes.join(", ")}`,
    });
  }
  const known = [...Object.keys(lowerings), ...fusedOperators].sort();
  return new UserError({ expected: `operators that the engine has (${known.join(", ")})`, received });
}

/** Memory of no words is nobody's. @throws UserError for a result without elements. */
function refuseNothing(lowering: Lowering, node: GraphNode): void {
  for (const output of node.outputs) {
    const shape = lowering.graph.shapes.get(output);
    if (shape?.includes(0)) throw lacking(node, "results of at least one element", `"${output}" of shape [${shape}]`);
  }
}
