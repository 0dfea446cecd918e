import type { GraphNode } from "../graph/graph.js";
import type { Quantization } from "../graph/quantization.js";

/** A value of 8-bit numbers, and what they stand for to its reader. */
export interface Operand {
  readonly value: string;
  readonly quantization: Quantization;
}

/** What a step gives: 8-bit numbers between two of them (its own activation's limits included), or real ones. */
export type Result =
  | {
      readonly kind: "integers";
      readonly value: string;
      readonly quantization: Quantization;
      readonly low: number;
      readonly high: number;
    }
  | { readonly kind: "real"; readonly value: string };

export type IntegerResult = Extract<Result, { kind: "integers" }>;

/** Weights of a convolution with what turns its sums into real numbers. */
export interface IntegerWeight {
  /** [O, I/groups, kh, kw], zero point 0. */
  readonly data: Int8Array;
  readonly shape: readonly number[];
  /** Of each output channel. */
  readonly scales: Float64Array;
}

interface Named {
  /** That names the step, and the operators that it does ("Conv+Relu"). */
  readonly node: GraphNode;
  readonly op: string;
}

/** Several nodes of a quantized graph as one step on 8-bit numbers. */
export type IntegerOp = Named &
  (
    | {
        readonly kind: "convolution";
        readonly input: Operand;
        readonly weight: IntegerWeight;
        /** In units of the input's scale times the output channel's: added to the sums. */
        readonly bias: Int32Array;
        /** Of a real result: what the bias in whole units leaves, one number an output channel. */
        readonly rest?: Float64Array;
        /** Added before the result is rounded. */
        readonly residual?: Operand;
        readonly result: Result;
      }
    | { readonly kind: "add"; readonly operands: readonly [Operand, Operand]; readonly result: IntegerResult }
    /** A value times one number a channel. */
    | { readonly kind: "gate"; readonly operands: readonly [Operand, Operand]; readonly result: IntegerResult }
    | { readonly kind: "average"; readonly operand: Operand; readonly result: IntegerResult }
    | { readonly kind: "concat"; readonly operands: readonly Operand[]; readonly result: IntegerResult }
    /** Entry q of what is stored for q ({@link stored}). */
    | { readonly kind: "table"; readonly operand: Operand; readonly table: Uint8Array; readonly result: IntegerResult }
    | { readonly kind: "quantize"; readonly value: string; readonly result: IntegerResult }
    | { readonly kind: "dequantize"; readonly operand: Operand; readonly result: Result }
    /** MaxPool, or a reshape: 8-bit numbers as they are. */
    | { readonly kind: "move"; readonly operand: string; readonly dtype: "u8" | "i8"; readonly value: string }
  );

/** In memory all are bytes from 0: int8 numbers stand 128 higher. */
export const stored = (q: number, { dtype }: Pick<Quantization, "dtype">): number => (dtype === "u8" ? q : q + 128);

/** A layer of a quantized graph that runs in float32, and why. */
export interface FloatLayer {
  readonly name: string;
  readonly op: string;
  readonly reason: string;
}
