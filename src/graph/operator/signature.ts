import type { DType } from "../../core/named-arrays.js";
import type { GraphNode } from "../graph.js";

/** An operand of an operator: its name in the ONNX schema, and its type variable or types. */
export interface Parameter {
  readonly name: string;
  /** Name of a type variable: operands with the same one have the same element type. */
  readonly type: string;
  readonly optional: boolean;
  /** The last one may stand any number of times. */
  readonly variadic: boolean;
}

export interface Signature {
  readonly inputs: readonly Parameter[];
  readonly outputs: readonly Parameter[];
  readonly types: Readonly<Record<string, readonly DType[]>>;
}

export const floats: readonly DType[] = ["f32", "f16", "bf16", "f64"];
export const wholes: readonly DType[] = ["i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8"];
export const numbers: readonly DType[] = [...floats, ...wholes];
export const signed: readonly DType[] = [...floats, "i64", "i32", "i16", "i8"];
export const all: readonly DType[] = [...numbers, "bool"];
/** Types of indices and axes. */
export const indices: readonly DType[] = ["i64", "i32"];

const single: Readonly<Record<string, readonly DType[]>> = Object.fromEntries(all.map((dtype) => [dtype, [dtype]]));

/**
 * A signature as one line: `X:T W:T B?:T -> Y:T` with the types of each variable; `?` after the name of an optional operand, `*` after that
 * of a repeated one. An element type itself (`shape:i64`) is its own variable.
 */
export function signature(line: string, types: Readonly<Record<string, readonly DType[]>> = {}): Signature {
  const [inputs, outputs] = line.split("->").map((side) =>
    side
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "")
      .map((word): Parameter => {
        const [, name, mark, type] = /^(\w+)([?*]?):(\w+)$/.exec(word)!;
        return { name: name!, type: type!, optional: mark === "?", variadic: mark === "*" };
      }),
  );
  return { inputs: inputs!, outputs: outputs!, types: { ...single, ...types } };
}

/** The parameter that the operand at a place belongs to; undefined beyond the last. */
export function parameterAt(parameters: readonly Parameter[], place: number): Parameter | undefined {
  const last = parameters.at(-1);
  return parameters[place] ?? (last?.variadic ? last : undefined);
}

/**
 * What is wrong with a node's operands by their number and element types; undefined where nothing is.
 * @param strict also floating-point types have to be the same where the definition says so: a file that mixes them is not valid, though
 *   it can be computed
 */
export function signatureFault(
  { inputs, outputs, types }: Signature,
  node: GraphNode,
  dtypeOf: (input: number) => DType | undefined,
  strict = false,
): { readonly expected: string; readonly received: string } | undefined {
  const present = node.inputs.findLastIndex((name) => name !== "") + 1;
  if (present > inputs.length && !inputs.at(-1)?.variadic) {
    return { expected: `at most ${inputs.length} inputs`, received: `${present}` };
  }
  const missing = inputs.find(({ optional, variadic }, i) => !optional && !node.inputs[i] && !(variadic && i > 0));
  if (missing) return { expected: `input ${missing.name}`, received: "none" };
  if (node.outputs.length > outputs.length && !outputs.at(-1)?.variadic) {
    return { expected: `at most ${outputs.length} outputs`, received: `${node.outputs.length}` };
  }
  const bound = new Map<string, { readonly dtype: DType; readonly name: string }>();
  for (const [place, input] of node.inputs.entries()) {
    const parameter = parameterAt(inputs, place);
    const dtype = input === "" ? undefined : dtypeOf(place);
    if (!parameter || !dtype) continue;
    const allowed = types[parameter.type]!;
    if (!allowed.includes(dtype)) {
      return { expected: `${parameter.name} of type ${allowed.join(", ")}`, received: dtype };
    }
    const first = bound.get(parameter.type);
    if (!first) bound.set(parameter.type, { dtype, name: parameter.name });
    else if (first.dtype !== dtype && (strict || !floats.includes(dtype) || !floats.includes(first.dtype))) {
      return { expected: `${parameter.name} of type ${first.dtype}, as ${first.name} has it`, received: dtype };
    }
  }
  return undefined;
}

/** Element types of a node's outputs as far as its inputs' tell them. */
export function outputDtypes(
  { inputs, outputs, types }: Signature,
  node: GraphNode,
  dtypeOf: (input: number) => DType | undefined,
): (DType | undefined)[] {
  return node.outputs.map((_, place) => {
    const type = parameterAt(outputs, place)?.type;
    if (type === undefined) return undefined;
    const only = types[type]!;
    if (only.length === 1) return only[0];
    const giver = node.inputs.findIndex(
      (name, i) => name !== "" && parameterAt(inputs, i)?.type === type && dtypeOf(i),
    );
    return giver < 0 ? undefined : dtypeOf(giver);
  });
}
