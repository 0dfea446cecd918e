import { UserError } from "../../../core/errors.js";
import type { GraphNode } from "../../../graph/graph.js";
import type { FusedOp } from "../fusion.js";
import type { Lowering } from "./context.js";
import { lowerMul, lowerSigmoid } from "./elementwise.js";
import { lowerGlobalAveragePool, lowerReduceMean } from "./pool.js";
import { lowerConcat, lowerIdentity, lowerReshape } from "./shape.js";
import { lowerSoftmax } from "./softmax.js";
import { lowerSum } from "./sum.js";

/** Operators that are lowered by themselves. Those that fusion turns into sums are in {@link fusedOperators}. */
const lowerings: Readonly<Record<string, (lowering: Lowering, node: GraphNode) => void>> = {
  Concat: lowerConcat,
  Dropout: lowerIdentity,
  Flatten: lowerReshape,
  GlobalAveragePool: lowerGlobalAveragePool,
  Identity: lowerIdentity,
  Mul: lowerMul,
  ReduceMean: lowerReduceMean,
  Reshape: lowerReshape,
  Sigmoid: lowerSigmoid,
  Softmax: lowerSoftmax,
  Squeeze: lowerReshape,
  Unsqueeze: lowerReshape,
};

const fusedOperators = ["Add", "BatchNormalization", "Conv", "Div", "Gemm", "MatMul", "Relu", "Sub"];

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
