import { ShapeError } from "../core/errors.js";
import { attribute, flagAttribute, intsAttribute, stringAttribute } from "./attributes.js";
import type { GraphNode } from "./graph.js";

/** A convolution's or pool's window over n spatial axes. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** (begin of each axis, then end of each axis); undefined where `auto_pad` needs a size that is not known. */
  readonly pads: readonly number[] | undefined;
  readonly ceilMode: boolean;
}

/**
 * The window that a node's attributes describe, defaults filled in.
 * @param kernel spatial sizes of the weight, or of `kernel_shape`
 * @param sizes spatial sizes of the input where they are known, for auto_pad = SAME_UPPER / SAME_LOWER with strides
 * @throws ShapeError when an attribute has another number of sizes, or sizes that no window has.
 */
export function windowOf(node: GraphNode, kernel: readonly number[], sizes?: readonly (number | string)[]): Window {
  const ones = kernel.map(() => 1);
  const strides = intsAttribute(node, "strides") ?? ones;
  const dilations = intsAttribute(node, "dilations") ?? ones;
  const ceilMode = flagAttribute(node, "ceil_mode", false);
  const partial = { kernel, strides, dilations, ceilMode };
  const listed = attribute(node, "pads", "ints");
  for (const [name, values, count, least] of [
    ["kernel_shape", kernel, kernel.length, 1],
    ["strides", strides, kernel.length, 1],
    ["dilations", dilations, kernel.length, 1],
    ["pads", listed ?? [], listed ? 2 * kernel.length : 0, 0],
  ] as const) {
    if (values.length !== count || values.some((value) => value < least || value > 2 ** 24)) {
      throw new ShapeError({
        expected: `${count} sizes from ${least} as ${name} of ${node.op} "${node.name}"`,
        received: `[${values.join(", ")}]`,
      });
    }
  }
  const auto = autoPadOf(node);
  if (auto === "NOTSET") {
    return { ...partial, pads: listed ?? [...kernel, ...kernel].map(() => 0) };
  }
  if (auto === "VALID") return { ...partial, pads: [...kernel, ...kernel].map(() => 0) };
  const totals: number[] = [];
  for (let axis = 0; axis < kernel.length; axis++) {
    const reach = (kernel[axis] - 1) * dilations[axis];
    const size = sizes?.[axis];
    if (strides[axis] === 1) totals.push(reach);
    else if (typeof size === "number") {
      totals.push(Math.max(0, (Math.ceil(size / strides[axis]) - 1) * strides[axis] + reach + 1 - size));
    } else return { ...partial, pads: undefined };
  }
  const small = totals.map((total) => Math.floor(total / 2));
  const large = totals.map((total) => Math.ceil(total / 2));
  return { ...partial, pads: auto === "SAME_LOWER" ? [...large, ...small] : [...small, ...large] };
}

const autoPads = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"];

/** How a window is padded. @throws ShapeError for a name that means nothing, and for pads stated beside one that says where they go. */
export function autoPadOf(node: GraphNode): string {
  const auto = stringAttribute(node, "auto_pad", "NOTSET");
  const pads = intsAttribute(node, "pads") ?? [];
  if (autoPads.includes(auto) && (auto === "NOTSET" || pads.every((pad) => pad === 0))) return auto;
  throw new ShapeError({
    expected: `auto_pad of ${node.op} "${node.name}" as ${autoPads.join(", ")}, and pads beside NOTSET alone`,
    received: pads.length > 0 ? `${auto} and pads [${pads.join(", ")}]` : auto,
  });
}

/** Output size along an axis; with ceil mode, no window may begin in the padding behind the input (ONNX, PyTorch). */
export function windowOutput(window: Window & { pads: readonly number[] }, axis: number, size: number): number {
  const { kernel, strides, dilations, pads, ceilMode } = window;
  const [begin, end] = [pads[axis], pads[axis + kernel.length]];
  const room = size + begin + end - ((kernel[axis] - 1) * dilations[axis] + 1);
  if (!ceilMode) return Math.floor(room / strides[axis]) + 1;
  const output = Math.ceil(room / strides[axis]) + 1;
  return (output - 1) * strides[axis] >= size + begin ? output - 1 : output;
}
