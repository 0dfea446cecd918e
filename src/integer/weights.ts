import { largestWeightSum } from "../backend/conv-bytes/plan.js";
import { inMemory } from "../core/deferred-array.js";
import { elementCount, type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { intAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import type { IntegerWeight } from "./integer-op.js";

/** Why something cannot be done in integers. */
export class Reason {
  constructor(readonly text: string) {}
}

/** Largest magnitude of a sum that int32 holds. */
const largestSum = 2 ** 31 - 1;

/** Scales whose ratio is closer to 1 are the same: exporters round the product of two. */
const sameScale = 2 ** -20;

/**
 * Weights behind a DequantizeLinear of a constant, turned to [O, …].
 * @param outputAxis of the output channels in the constant
 */
export function weightsOf(
  node: GraphNode,
  constants: ReadonlyMap<string, NamedArray>,
  outputAxis: number,
): IntegerWeight | Reason {
  const [array, scale, zero] = node.inputs.map((name) => constants.get(name));
  if (!array || !scale || (node.inputs[2] && !zero)) return new Reason("its weights are not constant");
  if (array.dtype !== "i8" && array.dtype !== "u8") return new Reason(`its weights are ${array.dtype}`);
  if (intAttribute(node, "block_size", 0) > 0) return new Reason("its weights are quantized by blocks");
  const values = toFloat64(scale);
  const outputs = array.shape[outputAxis]!;
  const axis = intAttribute(node, "axis", 1);
  const own = axis < 0 ? axis + array.shape.length : axis;
  if (values.length !== 1 && (own !== outputAxis || values.length !== outputs))
    return new Reason("its weights have scales along another axis than the output channels");
  const data = centred(array, zero && toFloat64(zero), outputAxis);
  if (data instanceof Reason) return data;
  const scales = Float64Array.from({ length: outputs }, (_, o) => values[values.length === 1 ? 0 : o]!);
  const others = array.shape.filter((_, at) => at !== outputAxis);
  return { data, shape: [outputs, ...others], scales };
}

/** Weights less their zero points, the output channels first. */
function centred(array: NamedArray, zeros: Float64Array | undefined, outputAxis: number): Int8Array | Reason {
  const { shape } = array;
  const data = inMemory(array).data as Int8Array | Uint8Array;
  const outputs = shape[outputAxis]!;
  const inner = elementCount(shape.slice(outputAxis + 1));
  const others = elementCount(shape) / outputs;
  const result = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const output = Math.floor(i / inner) % outputs;
    const outer = Math.floor(i / (inner * outputs));
    const value = data[i]! - (zeros?.[zeros.length === 1 ? 0 : output] ?? 0);
    if (value < -128 || value > 127)
      return new Reason("its weights less their zero point leave 8 bits: quantize them symmetrically");
    result[output * others + outer * inner + (i % inner)] = value;
  }
  return result;
}

/** A bias as it stands in the graph: real numbers, or integers with a scale each. */
export interface Bias {
  readonly values: Float64Array;
  readonly scales?: Float64Array;
}

/** A bias for the sums, and what their whole units leave of it in real numbers: absent where nothing is left that counts. */
export interface BiasInUnits {
  readonly bias: Int32Array;
  readonly rest?: Float64Array;
}

/**
 * A bias in units of the sums: scale of the input times that of the output channel. Integers stay what they are; real numbers are rounded, which
 * costs half a unit.
 * @param steps how many steps of the result a unit is, per output channel; undefined where the result is real: then the rest is given too
 */
export function biasInUnits(
  bias: Bias | undefined,
  inputScale: number,
  { scales, shape }: IntegerWeight,
  steps: Float64Array | undefined,
): BiasInUnits | Reason {
  const result = new Int32Array(shape[0]!);
  if (!bias) return { bias: result };
  const rest = new Float64Array(shape[0]!);
  for (let o = 0; o < result.length; o++) {
    const unit = inputScale * scales[o]!;
    const value = bias.values[bias.values.length === 1 ? 0 : o]!;
    const own = bias.scales?.[bias.scales.length === 1 ? 0 : o];
    const inUnits =
      own === undefined ? value / unit : Math.abs(own / unit - 1) < sameScale ? value : (value * own) / unit;
    const rounded = Math.round(inUnits);
    if (!(Math.abs(rounded) <= largestSum)) return new Reason("its bias in units of its scales leaves int32");
    if ((steps?.[o] ?? 0) * Math.abs(rounded - inUnits) > coarsest)
      return new Reason("a unit of its sums is too coarse for its bias");
    result[o] = rounded;
    rest[o] = (inUnits - rounded) * unit;
  }
  return steps === undefined && rest.some((value) => value !== 0) ? { bias: result, rest } : { bias: result };
}

/** Of a step of the result: what rounding a bias may cost. */
const coarsest = 1 / 8;

/** Whether no input can make a sum leave int32: Σ |w| · 255 + |bias − zero point · Σ w|, from the weights as they are. */
export function fitsInt32({ data, shape }: IntegerWeight, bias: Int32Array, storedZero: number): boolean {
  const each = data.length / shape[0]!;
  return bias.every((b, o) => {
    let [sum, magnitude] = [0, 0];
    for (let i = o * each; i < (o + 1) * each; i++) {
      sum += data[i]!;
      magnitude += Math.abs(data[i]!);
    }
    return magnitude <= largestWeightSum && magnitude * 255 + Math.abs(b - storedZero * sum) <= largestSum;
  });
}
