import type { KernelCall } from "../backend/backend.js";
import { bytesPerElement, type DType } from "../core/named-arrays.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";
import type { Addresses, Step, Tensor } from "./step.js";

/** Whole numbers are float32 words: exact below this. */
const limit = 2 ** 24;

/** Operators whose integer result may be larger than their operands. */
const growing = new Set("Add,CumSum,Mul,Pow,ReduceL1,ReduceProd,ReduceSum,ReduceSumSquare,Sub,Sum".split(","));

/** Operators whose integer result may be one more than the type of their operands has, at its lowest number. */
const turning = new Set(["Abs", "Div", "Neg"]);

/** The whole numbers of a type, as far as float32 holds them exactly. */
export function wholeRange(dtype: DType): { readonly low: number; readonly high: number } {
  const bits = dtype === "bool" ? 1 : 8 * bytesPerElement[dtype];
  const signed = dtype.startsWith("i");
  const most = 2 ** (signed ? bits - 1 : bits);
  return { low: signed ? Math.max(-most, 1 - limit) : 0, high: Math.min(most, limit) - 1 };
}

/** Whether a node's result is of whole numbers that may leave its type, or what float32 holds exactly. */
export function mayGrow(lowering: Lowering, node: GraphNode): boolean {
  const { dtypes } = lowering.graph;
  const dtype = dtypes.get(node.outputs[0]!) ?? "f32";
  if (!isInteger(dtype) || dtype === "bool") return false;
  // Any float32 is a number of 32 or 64 bits, or its reader says that it is none.
  if (node.op === "Cast" || node.op === "CastLike")
    return isNarrow(dtype) && !holdsAll(dtype, dtypes.get(node.inputs[0]!));
  return growing.has(node.op) || (turning.has(node.op) && bytesPerElement[dtype] < 4);
}

/** Whether a type has fewer whole numbers than float32. */
function isNarrow(dtype: DType): boolean {
  const { low, high } = wholeRange(dtype);
  return low > 1 - limit || high < limit - 1;
}

/** Whether every number of one type is one of another. */
function holdsAll(dtype: DType, of: DType | undefined): boolean {
  if (!of || !isInteger(of)) return false;
  const [to, from] = [wholeRange(dtype), wholeRange(of)];
  return to.low <= from.low && from.high <= to.high;
}

/** What a step does besides where its result {@link mayGrow}: it looks whether all numbers are still exact, and refuses where they are not. */
export function wholeCheck(
  lowering: Lowering,
  node: GraphNode,
): { readonly refusal: NonNullable<Step["refusal"]>; calls(output: Tensor, at: Addresses): KernelCall[] } | undefined {
  if (!mayGrow(lowering, node)) return undefined;
  const dtype = lowering.graph.dtypes.get(node.outputs[0]!)!;
  const range = wholeRange(dtype);
  const allowed = isNarrow(dtype) ? `(${dtype}) from ${range.low} to ${range.high}` : "below 2^24";
  return {
    refusal: {
      expected: `whole numbers ${allowed} as result of node "${node.name}" (${node.op})`,
      received: isNarrow(dtype) ? "others" : "larger ones, which float32 does not hold exactly",
    },
    calls: ({ buffer }, at) => [
      {
        kernel: "check_range",
        args: { x: at.of(buffer), status: at.status, n: buffer.words, ...range },
      },
    ],
  };
}

/** @throws UserError for a node of whole numbers whose result goes by way of others: those are not looked at. */
export function refuseWhole(lowering: Lowering, node: GraphNode, input: number): void {
  const dtype = lowering.graph.dtypes.get(node.inputs[input]!) ?? "f32";
  if (isInteger(dtype)) throw lacking(node, "floating-point numbers", dtype);
}
