import { type DType, elementCount, f32, type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { int, intAttribute } from "../graph/attributes.js";
import { int64 } from "../graph/build.js";
import type { GraphNode } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import { refuse } from "../graph/operator/operator.js";
import { type Known, quantizationOf } from "../graph/quantization.js";
import type { Spellings } from "../lowering/spell-out.js";
import { isStatic, type Spelling } from "../lowering/spelling.js";
import { checkScales, quantizedRange } from "../operators/quantize.js";

/** Numbers of ONNX's element types, as Cast names them. */
const types = { f32: 1, u8: 2, i8: 3, u16: 4, i16: 5, i32: 6 } as const;

/** Float32 holds whole numbers up to it. */
const exact = 2 ** 24;

/**
 * Quantization of other kinds than one constant scale of 8 bits (16 bits, a scale a channel or block, computed scales), and integer products whose result
 * is an int32, as float32 operators of the same numbers. What is quantized to 8 bits by one constant scale stays: the integer steps know it.
 */
export const quantizedSpellings = {
  ConvInteger: integerProduct,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  MatMulInteger: integerProduct,
  QuantizeLinear: quantize,
} satisfies Spellings;

/** y = clamp(round(x / scale) + zero point). */
function quantize(spelling: Spelling): boolean {
  const { node, context, initializers } = spelling;
  const dtype = outputType(spelling);
  if (quantizationOf(node, knownOf(spelling))) return false;
  const [low, high] = quantizedRange(dtype) ?? refuse(context, "8 or 16 bits", dtype);
  const scale = operand(spelling, 1)!;
  const rounded = spelling.add("Round", [spelling.add("Div", [node.inputs[0]!, scale])]);
  const zero = node.inputs[2] ? asFloat(spelling, operand(spelling, 2)!, initializers) : undefined;
  const moved = zero ? spelling.add("Add", [rounded, zero]) : rounded;
  const limits = [low, high].map((limit) => spelling.constant("limit", f32([], Float32Array.of(limit))));
  spelling.add("Cast", [spelling.add("Clip", [moved, ...limits])], { to: int(types[dtype]) }, node.outputs[0]);
  return true;
}

/** x = (q − zero point) · scale: the difference is taken in whole numbers, which it stays exact by. */
function dequantize(spelling: Spelling): boolean {
  const { node, initializers } = spelling;
  // Of a constant: a weight, which is computed once or goes into an integer product.
  if (isConstant(node, initializers) || quantizationOf(node, knownOf(spelling))) return false;
  const whole = spelling.add("Cast", [node.inputs[0]!], { to: int(types.i32) });
  const moved = node.inputs[2]
    ? spelling.add("Sub", [whole, spelling.add("Cast", [operand(spelling, 2)!], { to: int(types.i32) })])
    : whole;
  const real = spelling.add("Cast", [moved], { to: int(types.f32) });
  spelling.add("Mul", [real, operand(spelling, 1)!], {}, node.outputs[0]);
  return true;
}

const isConstant = ({ inputs }: GraphNode, initializers: ReadonlyMap<string, NamedArray>): boolean =>
  inputs.every((input) => input === "" || initializers.has(input));

/** scale = (max − min) / 255 of a range that holds 0, zero point = round(−min / scale). */
function dynamicQuantize(spelling: Spelling): boolean {
  const { node } = spelling;
  const [y, yScale, yZero] = node.outputs as [string, string, string];
  const number = (what: string, value: number): string => spelling.constant(what, f32([], Float32Array.of(value)));
  const none = number("none", 0);
  const extreme = (reduce: string, with0: string): string =>
    spelling.add(with0, [spelling.add(reduce, [node.inputs[0]!], { keepdims: int(0) }), none]);
  const [low, high] = [extreme("ReduceMin", "Min"), extreme("ReduceMax", "Max")];
  const span = spelling.add("Div", [spelling.add("Sub", [high, low]), number("steps", 255)]);
  const flat = spelling.add("Equal", [span, none]);
  const scale = spelling.add("Where", [flat, number("one", 1), span], {}, yScale || undefined);
  const limits = [number("low", 0), number("high", 255)];
  const rounded = (x: string): string => spelling.add("Round", [spelling.add("Div", [x, scale])]);
  const zero = spelling.add("Clip", [rounded(spelling.add("Neg", [low])), ...limits]);
  spelling.add("Cast", [zero], { to: int(types.u8) }, yZero || undefined);
  const moved = spelling.add("Add", [rounded(node.inputs[0]!), zero]);
  spelling.add("Cast", [spelling.add("Clip", [moved, ...limits])], { to: int(types.u8) }, y || undefined);
  return true;
}

/** (x − zero point) · (w − zero point): exact in float32 where no sum can leave it, or where only its float32 is read. */
function integerProduct(spelling: Spelling): boolean {
  const { node, context } = spelling;
  const weight = context.shape(1);
  const onlyReal = spelling.readers(node.outputs[0]!)?.every(castsToFloat) ?? false;
  if (!onlyReal && !(isStatic(weight) && largestSum(weight) < exact)) {
    refuse(context, "sums that float32 holds (below 2^24), or a Cast to float32 behind them", "larger ones");
  }
  const centred = (factor: number): string => {
    const whole = spelling.add("Cast", [node.inputs[factor]!], { to: int(types.i32) });
    const zero = node.inputs[factor + 2];
    const moved = zero
      ? spelling.add("Sub", [whole, spelling.add("Cast", [perRow(spelling, factor)], { to: int(types.i32) })])
      : whole;
    return spelling.add("Cast", [moved], { to: int(types.f32) });
  };
  const product = spelling.add(node.op.replace("Integer", ""), [centred(0), centred(1)], node.attributes);
  spelling.add("Cast", [product], { to: int(types.i32) }, node.outputs[0]);
  return true;
}

const castsToFloat = ({ op, domain, attributes: { to } }: GraphNode): boolean =>
  domain === "" && op === "Cast" && to?.type === "int" && to.value === types.f32;

/** Of everything that can meet one output: both factors less their zero points are at most 255. */
function largestSum(shape: readonly number[]): number {
  const outputs = shape.length === 1 ? 1 : shape.length > 2 ? shape[0]! : shape.at(-1)!;
  return (elementCount(shape) / outputs) * 255 * 255;
}

/** Zero points of a factor in a shape that broadcasts to it: of a weight [O, …] one an output, of a left matrix one a row. */
function perRow(spelling: Spelling, factor: number): string {
  const { node, context, initializers } = spelling;
  const name = node.inputs[factor + 2]!;
  const [zero, rank] = [context.shape(factor + 2), context.shape(factor)?.length ?? 0];
  if (zero?.length !== 1 || zero[0] === 1) return name;
  const axis = node.op === "ConvInteger" ? 0 : factor === 0 ? rank - 2 : rank - 1;
  return reshaped(spelling, name, rank, axis, initializers);
}

/** Scale (1) or zero point (2) in a shape that broadcasts to the data: one number, one an element of the axis, one a block. */
function operand(spelling: Spelling, place: number): string | undefined {
  const { node, context, initializers } = spelling;
  const name = node.inputs[place];
  if (!name) return undefined;
  const [shape, own] = [context.shape(0), context.shape(place)];
  if (!isStatic(shape) || !isStatic(own)) return refuse(context, "shapes that are known", "others");
  const constant = initializers.get(name);
  if (place === 1 && constant) checkScales(context, toFloat64(constant));
  const axis = shape.length > 0 && elementCount(own) > 1 ? axisAttribute(context, "axis", 1, shape.length) : 0;
  const block = intAttribute(node, "block_size", 0);
  if (block > 0) {
    if (!constant) return refuse(context, "constant scales of blocks", `"${name}"`);
    return spelling.constant("blocks", repeatedBlocks(constant, shape, axis, block));
  }
  return elementCount(own) === 1 ? name : reshaped(spelling, name, shape.length, axis, initializers);
}

function reshaped(
  spelling: Spelling,
  name: string,
  rank: number,
  axis: number,
  initializers: ReadonlyMap<string, NamedArray>,
): string {
  const sizes = Array.from({ length: rank }, (_, at) => (at === axis ? -1 : 1));
  const constant = initializers.get(name);
  if (!constant) return spelling.add("Reshape", [name, spelling.constant("sizes", int64(sizes))]);
  const shape = sizes.map((size) => (size === -1 ? elementCount(constant.shape) : 1));
  return spelling.constant("along", { ...constant, shape } as NamedArray);
}

/** Each number `block` times along the axis. */
function repeatedBlocks(constant: NamedArray, shape: readonly number[], axis: number, block: number): NamedArray {
  const values = toFloat64(constant);
  const inner = elementCount(shape.slice(axis + 1));
  const blocks = constant.shape[axis]!;
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => {
    const along = Math.floor(i / inner) % shape[axis]!;
    const outer = Math.floor(i / (inner * shape[axis]!));
    return values[(outer * blocks + Math.floor(along / block)) * inner + (i % inner)]!;
  });
  return f32(shape, data);
}

function asFloat(spelling: Spelling, name: string, initializers: ReadonlyMap<string, NamedArray>): string {
  const constant = initializers.get(name);
  if (!constant) return spelling.add("Cast", [name], { to: int(types.f32) });
  return spelling.constant("zero", f32(constant.shape, Float32Array.from(toFloat64(constant))));
}

/** As the zero point has it, else as the node says. */
function outputType({ context, node }: Spelling): keyof typeof types {
  const zero = node.inputs[2] ? context.dtype(2) : undefined;
  const stated = Object.entries(types).find(([, code]) => code === intAttribute(node, "output_dtype", types.u8));
  return (zero ?? stated?.[0] ?? "u8") as keyof typeof types;
}

function knownOf(spelling: Spelling): Known {
  const { initializers, node, context } = spelling;
  const dtypes = new Map<string, DType>([
    [node.inputs[0]!, context.dtype(0) ?? "f32"],
    [node.outputs[0]!, node.op === "QuantizeLinear" ? outputType(spelling) : "f32"],
  ]);
  return { constants: initializers, dtypes };
}
