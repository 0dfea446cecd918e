import { toFloat64 } from "../core/named-arrays.js";
import { flagAttribute, floatAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { isOperator } from "../graph/quantization.js";
import { perChannel } from "../lowering/affine.js";
import { type IntegerOp, type IntegerWeight, type Result, stored } from "./integer-op.js";
import type { Surroundings } from "./surroundings.js";
import { type Bias, biasInUnits, fitsInt32, Reason, weightsOf } from "./weights.js";

/** Operators that may be a convolution of integers. */
export const products: ReadonlySet<string> = new Set(["Conv", "Gemm", "MatMul"]);

/** An integer convolution with the nodes that it does; why a quantized one is none; undefined for one that is not quantized. */
export function findConvolution(
  around: Surroundings,
  node: GraphNode,
): { readonly op: IntegerOp; readonly taken: readonly GraphNode[] } | Reason | undefined {
  const [input, behind] = [around.operand(node.inputs[0]!), around.constantBehind(node.inputs[1] ?? "")];
  if (!input && !behind) return undefined;
  if (!input) return new Reason("its input is not quantized to 8 bits by one constant scale");
  if (!behind) return new Reason("its weights are not quantized constants");
  const form = formOf(around, node);
  if (form instanceof Reason) return form;
  const weight = weightsOf(behind, around.constants, form.outputAxis);
  if (weight instanceof Reason) return weight;
  const { last, bias }: Last = form.bias ? { last: node, bias: form.bias } : addedBias(around, node, weight.shape[0]!);
  const { result, taken, residual } = endOf(around, last);
  const multipliers = multipliersOf(weight, input.quantization.scale, result);
  if (multipliers.some((m) => !(m >= smallestNormal && m < Number.POSITIVE_INFINITY)))
    return new Reason("its scales together leave float32");
  const own =
    bias === undefined ? undefined : biasOf(around, bias, weight.shape[0]!, around.graph.shapes.get(node.outputs[0]!)!);
  if (own instanceof Reason) return own;
  const steps = result.kind === "integers" ? multipliers : undefined;
  const inUnits = biasInUnits(own, input.quantization.scale, weight, steps);
  if (inUnits instanceof Reason) return inUnits;
  if (!fitsInt32(weight, inUnits.bias, stored(input.quantization.zero, input.quantization)))
    return new Reason("its sums could leave int32");
  const nodes = [...new Set([node, ...taken])];
  const op = nodes.filter((taken) => !isOperator(taken, "QuantizeLinear")).map((taken) => taken.op);
  return {
    op: { kind: "convolution", node, op: op.join("+"), input, weight, ...inUnits, result, ...residual },
    taken: nodes,
  };
}

const smallestNormal = 2 ** -126;

/** What a sum is multiplied by: input scale · weight scale, over the result's scale where that is quantized; in float32's order, as runtimes have it. */
export function multipliersOf(
  { scales }: Pick<IntegerWeight, "scales">,
  inputScale: number,
  result: Result,
): Float64Array {
  return scales.map((scale) => {
    const product = Math.fround(inputScale * scale);
    return result.kind === "real" ? product : Math.fround(product / result.quantization.scale);
  });
}

interface Form {
  /** Of the weight constant. */
  readonly outputAxis: number;
  readonly bias?: string;
}

function formOf(around: Surroundings, node: GraphNode): Form | Reason {
  const { shapes } = around.graph;
  const [input, weight] = [shapes.get(node.inputs[0]!), shapes.get(node.inputs[1]!)];
  if (!input || !weight) return new Reason("its shapes are not known");
  const bias = node.inputs[2] ? { bias: node.inputs[2] } : {};
  switch (node.op) {
    case "Conv":
      return input.length === 3 || input.length === 4
        ? { outputAxis: 0, ...bias }
        : new Reason("it has more than two spatial axes");
    case "Gemm": {
      const isPlain =
        !flagAttribute(node, "transA", false) &&
        floatAttribute(node, "alpha", 1) === 1 &&
        (floatAttribute(node, "beta", 1) === 1 || !node.inputs[2]);
      if (!isPlain) return new Reason("it has transA, or an alpha or beta other than 1");
      return { outputAxis: flagAttribute(node, "transB", false) ? 0 : 1, ...bias };
    }
    default:
      return input.length === 2 && weight.length === 2
        ? { outputAxis: 1 }
        : new Reason("it multiplies more than two matrices");
  }
}

/** A product's last node before its activation, and what is added to it. */
interface Last {
  readonly last: GraphNode;
  readonly bias?: string;
}

/** A constant that is added to a product behind it. */
function addedBias(around: Surroundings, node: GraphNode, outputs: number): Last {
  const reader = around.onlyReader(node.outputs[0]!);
  if (!reader || !isOperator(reader, "Add")) return { last: node };
  const other = reader.inputs[reader.inputs[0] === node.outputs[0] ? 1 : 0]!;
  const shape = around.graph.shapes.get(reader.outputs[0]!);
  const same = `${shape}` === `${around.graph.shapes.get(node.outputs[0]!)}`;
  const fits = same && shape !== undefined && !(biasOf(around, other, outputs, shape) instanceof Reason);
  return fits ? { last: reader, bias: other } : { last: node };
}

/** What becomes of a product: where nothing rounds it before, a quantized value is added as it is written (a shortcut). */
function endOf(around: Surroundings, last: GraphNode) {
  const value = last.outputs[0]!;
  const reader = around.onlyReader(value);
  const other = reader && isOperator(reader, "Add") ? reader.inputs[reader.inputs[0] === value ? 1 : 0]! : undefined;
  const operand = other === undefined ? undefined : around.operand(other);
  const { shapes } = around.graph;
  if (reader && other && operand && `${shapes.get(other)}` === `${shapes.get(value)}`) {
    const { result, taken } = around.resultOf(reader);
    if (result.kind === "integers") return { result, taken: [last, ...taken], residual: { residual: operand } };
  }
  return { ...around.resultOf(last), residual: {} };
}

function biasOf(around: Surroundings, name: string, outputs: number, shape: readonly number[]): Bias | Reason {
  const constant = around.constants.get(name);
  if (constant) {
    const values = constant.shape.length === 1 ? toFloat64(constant) : perChannel(constant, shape);
    const fits = values && (values.length === outputs || values.length === 1);
    return fits ? { values } : new Reason("its bias is not one number a channel");
  }
  const behind = around.constantBehind(name);
  const [array, scale, zero] = behind?.inputs.map((input) => around.constants.get(input)) ?? [];
  if (!array || !scale || (zero && toFloat64(zero).some((value) => value !== 0)))
    return new Reason("its bias is not constant, or has a zero point");
  const [values, scales] = [toFloat64(array), toFloat64(scale)];
  const isVector =
    array.shape.length === 1 || array.shape.every((size, axis) => size === 1 || (axis === 1 && size === outputs));
  const fits = isVector && values.length === outputs && (scales.length === 1 || scales.length === outputs);
  return fits ? { values, scales } : new Reason("its bias is not one number a channel");
}
