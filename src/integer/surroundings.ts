import { type NamedArray, toFloat64 } from "../core/named-arrays.js";
import { roundHalfEven } from "../core/rounding.js";
import type { GraphNode } from "../graph/graph.js";
import { dequantized, isOperator, type Quantization, quantized, rangeOf } from "../graph/quantization.js";
import type { PreparedGraph } from "../lowering/prepare.js";
import type { IntegerResult, Operand, Result } from "./integer-op.js";

/** A prepared graph as the finding of integer steps asks it: who gives a value, who reads it, what it stands for. */
export class Surroundings {
  readonly #readers = new Map<string, GraphNode[]>();
  readonly #outputs: ReadonlySet<string>;

  constructor(readonly graph: PreparedGraph) {
    for (const node of graph.nodes) {
      for (const input of node.inputs) this.#readers.set(input, [...(this.#readers.get(input) ?? []), node]);
    }
    this.#outputs = new Set(graph.outputs);
  }

  get constants(): ReadonlyMap<string, NamedArray> {
    return this.graph.constants;
  }

  /** Of a float32 value: the 8-bit numbers behind it, where it is nothing but these dequantized. */
  operand(value: string): Operand | undefined {
    const giver = this.graph.producer.get(value);
    const quantization = giver && this.dequantized(giver);
    return quantization && { value: giver!.inputs[0]!, quantization };
  }

  dequantized(node: GraphNode): Quantization | undefined {
    return dequantized(node, this.graph);
  }

  quantized(node: GraphNode): Quantization | undefined {
    return quantized(node, this.graph);
  }

  /** The DequantizeLinear of a constant that gives a value. */
  constantBehind(value: string): GraphNode | undefined {
    const giver = this.graph.producer.get(value);
    return giver && isOperator(giver, "DequantizeLinear") && this.constants.has(giver.inputs[0]!) ? giver : undefined;
  }

  readers(value: string): readonly GraphNode[] {
    return this.#readers.get(value) ?? [];
  }

  /** The node that reads a value, where it is the only one and the caller does not. */
  onlyReader(value: string): GraphNode | undefined {
    const [reader, ...others] = this.readers(value);
    return others.length === 0 && !this.#outputs.has(value) ? reader : undefined;
  }

  isOutput(value: string): boolean {
    return this.#outputs.has(value);
  }

  /** Numbers of a small constant; undefined where it is computed. */
  numbers(value: string): readonly number[] | undefined {
    const constant = this.constants.get(value);
    return constant && Array.from(toFloat64(constant));
  }

  /**
   * What a node's real result becomes: 8-bit numbers, where nothing but a clamp (Relu, Clip) lies between it and the one QuantizeLinear that reads it.
   * Rounding is monotone, so that a clamp of real numbers is one of integers.
   */
  resultOf(node: GraphNode): { readonly result: Result; readonly taken: readonly GraphNode[] } {
    const given = node.outputs[0]!;
    const real = { result: { kind: "real", value: given }, taken: [node] } as const;
    const taken = [node];
    let [floor, ceiling] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let reader = this.onlyReader(given); reader; reader = this.onlyReader(reader.outputs[0]!)) {
      taken.push(reader);
      const quantization = reader.inputs[0] === taken.at(-2)!.outputs[0] ? this.quantized(reader) : undefined;
      if (quantization) {
        const [low, high] = [floor, ceiling].map((limit) => rounded(limit, quantization)) as [number, number];
        const result = { kind: "integers", value: reader.outputs[0]!, quantization, low, high } as const;
        return this.#withFewerNumbers(result, taken);
      }
      const limits = this.limitsOf(reader, taken.at(-2)!.outputs[0]!);
      if (!limits) return real;
      floor = Math.min(Math.max(floor, limits[0]), limits[1]);
      ceiling = Math.max(Math.min(ceiling, limits[1]), limits[0]);
    }
    return real;
  }

  /** PyTorch writes ranges narrower than the type (0 to 127, −127 to 127) as a Clip of the integers. */
  #withFewerNumbers(result: IntegerResult, taken: readonly GraphNode[]) {
    const reader = this.onlyReader(result.value);
    const limits = reader?.op === "Clip" && this.limitsOf(reader, result.value);
    if (!reader || !limits) return { result, taken };
    const [least, most] = limits;
    const within = (q: number): number => Math.min(most, Math.max(least, q));
    const clipped = { ...result, value: reader.outputs[0]!, low: within(result.low), high: within(result.high) };
    return { result: clipped, taken: [...taken, reader] };
  }

  /** Of Relu and of Clip with constant limits. */
  limitsOf(node: GraphNode, input: string): readonly [number, number] | undefined {
    if (node.domain !== "" || node.inputs[0] !== input) return undefined;
    if (node.op === "Relu") return [0, Number.POSITIVE_INFINITY];
    if (node.op !== "Clip") return undefined;
    const limit = (place: number, name: string, otherwise: number): number | undefined => {
      const stated = node.attributes[name];
      if (stated?.type === "float") return stated.value;
      return node.inputs[place] ? this.numbers(node.inputs[place])?.[0] : otherwise;
    };
    const [low, high] = [limit(1, "min", Number.NEGATIVE_INFINITY), limit(2, "max", Number.POSITIVE_INFINITY)];
    return low !== undefined && high !== undefined && low <= high ? [low, high] : undefined;
  }
}

/** A real number as QuantizeLinear has it. */
function rounded(value: number, quantization: Quantization): number {
  const [low, high] = rangeOf(quantization);
  if (!Number.isFinite(value)) return value > 0 ? high : low;
  const q = roundHalfEven(Math.fround(value / quantization.scale)) + quantization.zero;
  return Math.min(high, Math.max(low, q));
}
