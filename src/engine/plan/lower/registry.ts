import { UserError } from "../../../core/errors.js";
import type { GraphNode } from "../../../graph/graph.js";
import type { FusedOp } from "../fusion.js";
import { binaryLowerings } from "./binary.js";
import type { Lowering } from "./context.js";
import { elementwiseLowerings } from "./elementwise.js";
import { lowerConcat, lowerPad, lowerResize } from "./places.js";
import { lowerGlobalAveragePool, lowerGlobalMaxPool, lowerPool, lowerReduceMean } from "./pool.js";
import { lowerIdentity, lowerReshape } from "./shape.js";
import { lowerSoftmax } from "./softmax.js";
import { lowerSum } from "./sum.js";

/** Operators that are lowered by themselves. Those that fusion turns into sums are in {@link fusedOperators}. */
const lowerings: Readonly<Record<string, (lowering: Lowering, node: GraphNode) => void>> = {
  ...binaryLowerings,
  ...elementwiseLowerings,
  AveragePool: lowerPool,
  Concat: lowerConcat,
  Dropout: lowerIdentity,
  Flatten: lowerReshape,
  GlobalAveragePool: lowerGlobalAveragePool,
  GlobalMaxPool: lowerGlobalMaxPool,
  Identity: lowerIdentity,
  MaxPool: lowerPool,
  Pad: lowerPad,
  ReduceMean: lowerReduceMean,
  Reshape: lowerReshape,
  Resize: lowerResize,
  Softmax: lowerSoftmax,
  Squeeze: lowerReshape,
  Unsqueeze: lowerReshape,
  Upsample: lowerResize,
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
