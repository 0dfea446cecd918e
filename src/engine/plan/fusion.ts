import { flagAttribute } from "../../graph/attributes.js";
import { isInteger } from "../../graph/evaluate/tensor64.js";
import type { GraphNode } from "../../graph/graph.js";
import type { IntegerOp } from "../../integer/integer-op.js";
import { type Affine, affineOf, composeAffine, identityAffine, isIdentity, perChannel } from "../../lowering/affine.js";
import type { FusedOp, SumOp, Term } from "../../lowering/fused-op.js";
import type { PreparedGraph } from "../../lowering/prepare.js";
import { extents } from "../../lowering/step.js";
import { fusedProduct } from "./products.js";

export interface FusionContext {
  readonly graph: PreparedGraph;
  /** Whether affine maps go into the weights of the convolution before them. */
  readonly fuseBatchNorm: boolean;
  /** Nodes that integer steps do; each step stands at the last of its nodes. */
  readonly taken?: ReadonlyMap<GraphNode, IntegerOp | undefined>;
}

/** Groups the nodes of a graph into operations, in an order in which every value is written before it is read. */
export function fuse(context: FusionContext): (FusedOp | IntegerOp)[] {
  const absorbed = new Set<GraphNode>();
  const ops: (FusedOp | IntegerOp)[] = [];
  // From the end: a node is reached after all that could take it in.
  for (const node of context.graph.nodes.toReversed()) {
    if (absorbed.has(node)) continue;
    if (context.taken?.has(node)) {
      const op = context.taken.get(node);
      if (op) ops.push(op);
      continue;
    }
    const sum = isStandard(node) && (node.op === "Relu" || isLinear(context, node));
    ops.push(sum ? sumOf(context, node, absorbed) : { kind: "node", node: fusedNode(context, node, absorbed) });
  }
  return ops.reverse();
}

/** The node itself, or one that does more at once; what it takes in is added to `absorbed`. */
function fusedNode(context: FusionContext, node: GraphNode, absorbed: Set<GraphNode>): GraphNode {
  if (!isStandard(node)) return node;
  const giver = (value: string) => inner(context, value);
  return selfGated(context, node, absorbed) ?? fusedProduct(context.graph, giver, node, absorbed) ?? node;
}

/**
 * x · Sigmoid(x) as Swish (SiLU), x · HardSigmoid(x) as the HardSigmoid with a second input, its factor (in a file it has one input only): one
 * pass instead of two. Takes in the gate that only this product reads.
 */
function selfGated(context: FusionContext, node: GraphNode, absorbed: Set<GraphNode>): GraphNode | undefined {
  if (!isStandard(node) || node.op !== "Mul") return undefined;
  for (const [value, gate] of [node.inputs, node.inputs.toReversed()] as [string, string][]) {
    const giver = inner(context, gate);
    if (giver?.inputs[0] !== value || (giver.op !== "Sigmoid" && giver.op !== "HardSigmoid")) continue;
    absorbed.add(giver);
    if (giver.op === "Sigmoid") return { ...node, op: "Swish", inputs: [value], attributes: {} };
    return { ...node, op: "HardSigmoid", inputs: [value, value], attributes: giver.attributes };
  }
  return undefined;
}

/** What is still to be added: affine(value); `node` computes the value and may be taken in. */
interface Pending {
  readonly value: string;
  readonly affine: Affine;
  readonly node: GraphNode | undefined;
}

function sumOf(context: FusionContext, root: GraphNode, absorbed: Set<GraphNode>): SumOp {
  const relu = root.op === "Relu";
  const output = root.outputs[0]!;
  const first: Pending = relu
    ? pending(context, root.inputs[0]!, identityAffine)
    : { value: output, affine: identityAffine, node: root };
  const last = first.node && isLinear(context, first.node) ? first.node : root;
  const terms: Term[] = [];
  const open = [first];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, affine, node } = next;
    const step = node && affineStep(context, node);
    const mergeable = isIdentity(affine) || context.fuseBatchNorm;
    if (node && step) {
      absorbed.add(node);
      open.push(pending(context, step.input, composeAffine(affine, step.affine)));
    } else if (node && mergeable && isPlainSum(context, node)) {
      absorbed.add(node);
      const [first, ...others] = node.inputs as [string, ...string[]];
      // The shift is added once, with the first; what is pushed last is taken first.
      const unshifted: Affine = { scale: affine.scale, shift: undefined };
      for (const value of others.toReversed()) {
        const negated = node.op === "Sub" ? negate(context, value) : identityAffine;
        open.push(pending(context, value, composeAffine(unshifted, negated)));
      }
      open.push(pending(context, first, affine));
    } else if (node && mergeable && isConvolution(context, node)) {
      absorbed.add(node);
      terms.push({ kind: "convolution", node, affine });
    } else {
      terms.push({ kind: "value", value, affine });
    }
  }
  return { kind: "sum", name: last.name, output, terms, relu };
}

function pending(context: FusionContext, value: string, affine: Affine): Pending {
  return { value, affine, node: inner(context, value) };
}

/** The node that gives `value`, where only one place reads it and the node is of the standard operators. */
function inner({ graph, taken }: FusionContext, value: string): GraphNode | undefined {
  const node = graph.producer.get(value);
  return node && !taken?.has(node) && isStandard(node) && graph.uses.get(value) === 1 ? node : undefined;
}

function isStandard(node: GraphNode): boolean {
  return node.domain === "";
}

function isLinear(context: FusionContext, node: GraphNode): boolean {
  return isConvolution(context, node) || isPlainSum(context, node) || affineStep(context, node) !== undefined;
}

function affineStep(context: FusionContext, node: GraphNode): ReturnType<typeof affineOf> {
  const shape = context.graph.shapes.get(node.outputs[0]!);
  if (isWhole(context.graph, node.outputs[0]!) || isRoundedQuotient(context, node)) return undefined;
  const step = shape && affineOf(node, shape, context.graph.constants);
  // A constant may also broadcast the value to a larger shape: that is no map of each channel.
  return step && sameShape(context.graph.shapes.get(step.input), shape) ? step : undefined;
}

/** A quotient whose last bit may decide (it is rounded next, or is a scale that others are divided by): a product with the inverse would round otherwise. */
function isRoundedQuotient({ graph }: FusionContext, { op, outputs: [quotient] }: GraphNode): boolean {
  if (op !== "Div") return false;
  if (graph.shapes.get(quotient!)?.every((size) => size === 1)) return true;
  return graph.nodes.some((node) => jumps.has(node.op) && node.inputs[0] === quotient);
}

const jumps: ReadonlySet<string> = new Set(["Ceil", "Floor", "Round"]);

/** Conv and ConvTranspose with constant weights, and products of a matrix by a constant one: 1×1 convolutions of one position. */
function isConvolution({ graph }: FusionContext, node: GraphNode): boolean {
  const isConstant = (input: number): boolean => graph.constants.has(node.inputs[input] ?? "");
  if (isConstant(0) || !isConstant(1) || (node.inputs[2] && !isConstant(2))) return false;
  if (isWhole(graph, node.outputs[0]!)) return false;
  const shape = graph.shapes.get(node.outputs[0]!);
  switch (node.op) {
    case "Conv":
    case "ConvTranspose":
      return true;
    case "Gemm": {
      const bias = graph.constants.get(node.inputs[2] ?? "");
      if (flagAttribute(node, "transA", false) || !shape) return false;
      return bias === undefined || perChannel(bias, shape) !== undefined;
    }
    case "MatMul":
      return shape?.length === 2 && graph.shapes.get(node.inputs[0]!)?.length === 2;
    default:
      return false;
  }
}

/** Add or Sub of two computed values of one shape, Sum of any number of them. */
function isPlainSum({ graph }: FusionContext, node: GraphNode): boolean {
  if (node.op !== "Add" && node.op !== "Sub" && node.op !== "Sum") return false;
  const [first, ...others] = node.inputs as [string, ...string[]];
  if (node.inputs.some((value) => graph.constants.has(value)) || isWhole(graph, first)) return false;
  return others.every((value) => sameShape(graph.shapes.get(first), graph.shapes.get(value)));
}

/** Sums of whole numbers have rules of their own: they are checked for what float32 does not hold, and divide without a rest. */
function isWhole(graph: PreparedGraph, value: string): boolean {
  const dtype = graph.dtypes.get(value);
  return dtype !== undefined && isInteger(dtype);
}

function negate({ graph }: FusionContext, value: string): Affine {
  const { channels } = extents(graph.shapes.get(value)!);
  return { scale: new Float64Array(channels).fill(-1), shift: undefined };
}

function sameShape(a: readonly number[] | undefined, b: readonly number[] | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((size, i) => size === b[i]);
}
