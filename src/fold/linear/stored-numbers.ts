import type { Numbers } from "../../conv-algebra/kernel.js";
import { convertedArray } from "../../core/deferred-array.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { elementCount, toFloat64 } from "../../core/named-arrays.js";
import { type Refusal, refuse } from "../refusals.js";
import type { Context } from "./linear-node.js";

/** The stored numbers themselves where they are numbers in memory already; of a deferred array, each run when it is asked for. */
export function numbersOf(array: NamedArray): Numbers {
  if (!array.fill) return array.dtype === "f32" ? array.data : toFloat64(array);
  const numbers = array.dtype === "f32" ? array : convertedArray(array, "f64", toFloat64);
  return new DeferredNumbers(numbers as NumberArray, elementCount(array.shape));
}

type NumberArray = Extract<NamedArray, { dtype: "f32" | "f64" }>;

class DeferredNumbers implements Numbers {
  constructor(
    readonly array: NumberArray,
    readonly length: number,
  ) {}

  subarray(from: number, to: number): Float32Array | Float64Array {
    const run = room(this.array.dtype, to - from);
    (this.array.fill as (target: typeof run, from: number) => void)(run, from);
    return run;
  }
}

/** One memory for all runs of usual length: a run is used before the next one is asked for. */
const shared = { f32: new Float32Array(0), f64: new Float64Array(0) };
const mostShared = 2 ** 20;

function room(dtype: "f32" | "f64", length: number): Float32Array | Float64Array {
  const make = dtype === "f32" ? Float32Array : Float64Array;
  if (length > mostShared) return new make(length);
  if (shared[dtype].length < length) Object.assign(shared, { [dtype]: new make(length) });
  return shared[dtype].subarray(0, length);
}

/** Why a weight cannot be folded into: integers behind a DequantizeLinear, or numbers that are computed. */
export function notConstant({ producers }: Pick<Context, "producers">, weight: string): Refusal {
  return producers.get(weight)?.op === "DequantizeLinear"
    ? refuse("quantized", "its weights are quantized")
    : refuse("computed", "its weight is not a constant");
}
