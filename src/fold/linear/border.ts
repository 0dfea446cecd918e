import { padOutput } from "../../conv-algebra/pad.js";
import type { NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { intAttribute } from "../../graph/attributes.js";
import type { GraphNode } from "../../graph/graph.js";
import { padMode, padValue } from "../../operators/pad.js";
import type { Refusal } from "../refusals.js";
import { axisOf, type Context, isPlain, type LinearNode } from "./linear-node.js";
import { spatialPads } from "./pad-nodes.js";
import { pastedBorder } from "./pasted.js";
import type { Rule } from "./rule.js";
import { type Border, forEachElement, uniformBorder, type Written } from "./written-border.js";

/** Values of more elements than this are not looked at element by element. */
const mostElements = 2 ** 24;

/**
 * ScatterND, Where or Add of constants at constant places: where they write over what a Pad before them put around its input, and the whole
 * border has one value a channel then, they are that Pad with that value. So exporters write slice assignments (DBB's padding with the
 * value that BatchNorm gives to zeros: four assignments, one a side).
 */
function borderWrite(context: Context): LinearNode | Refusal | undefined {
  const border = pastedBorder(context) ?? borderOf(context.node, context);
  if (!border) return undefined;
  if ("refused" in border) return border;
  const values = uniformBorder(border);
  if ("refused" in values) return values;
  return {
    kind: "unary",
    input: border.input,
    free: false,
    macs: () => 0,
    after: (map, view) => (isPlain(view, map) ? padOutput(map, border.pads, values) : undefined),
  };
}

function borderOf(node: GraphNode, context: Context): Border | Refusal | undefined {
  if (node.domain !== "") return undefined;
  if (node.op === "Pad") return paddedBorder(node, context);
  const write = Object.hasOwn(writers, node.op) ? writers[node.op] : undefined;
  if (!write) return undefined;
  const over = write(node, context);
  if (!over) return undefined;
  const producer = context.producers.get(over.over);
  const border = producer && borderOf(producer, context);
  if (!border || "refused" in border) return border;
  return over.onto(border.written) ? border : undefined;
}

/** A Pad node's border as it is at first. */
function paddedBorder(node: GraphNode, { shapes, contextOf }: Context): Border | Refusal | undefined {
  const shape = shapes.get(node.outputs[0]);
  const own = contextOf(node);
  if (!own || padMode(own) !== "constant" || !shape?.every((size) => typeof size === "number")) return undefined;
  const count = shape.reduce((total, size) => total * size, 1);
  const [pads, value] = [spatialPads(own, shape.length), padValue(own)];
  if ("refused" in pads || pads.some((p) => p < 0) || value === undefined || count > mostElements) return undefined;
  const written: Written = { shape, mask: new Uint8Array(count), values: new Float64Array(count) };
  forEachElement({ pads, written }, (at, outside) => {
    if (!outside) return;
    written.mask[at] = 1;
    written.values[at] = value;
  });
  return { input: node.inputs[0], pads, written };
}

interface Write {
  /** The value that is written over. */
  readonly over: string;
  /** @returns false where the constants do not fit. */
  onto(written: Written): boolean;
}

/** Add of a constant of which all elements inside are zero. */
function add({ inputs }: GraphNode, { constants }: Context): Write | undefined {
  const constant = constants.get(inputs[1]) ?? constants.get(inputs[0]);
  // One number a channel is added everywhere.
  if (!constant || constant.shape.slice(-2).every((size) => size === 1)) return undefined;
  return {
    over: constants.has(inputs[1]) ? inputs[0] : inputs[1],
    onto({ shape, mask, values }) {
      if (!broadcastsTo(constant.shape, shape)) return false;
      const numbers = broadcasting(constant, shape);
      for (let at = 0; at < mask.length; at++) {
        const number = numbers(at);
        if (number !== 0) mask[at] = 1;
        values[at] += number;
      }
      return true;
    },
  };
}

/** ScatterND with constant indices [..., k] and updates: whole slices behind the first k axes. */
function scatter({ inputs, attributes }: GraphNode, { constants }: Context): Write | undefined {
  const [over, indices, updates] = [inputs[0], constants.get(inputs[1]), constants.get(inputs[2])];
  const reduction = attributes.reduction;
  if (!indices || !updates || (reduction?.type === "string" && reduction.value !== "none")) return undefined;
  return {
    over,
    onto({ shape, mask, values }) {
      const depth = indices.shape.at(-1) ?? 0;
      const slice = shape.slice(depth).reduce((total, size) => total * size, 1);
      const [places, numbers] = [toFloat64(indices), toFloat64(updates)];
      if (depth < 1 || depth > shape.length || numbers.length !== (places.length / depth) * slice) return false;
      for (let i = 0; i * depth < places.length; i++) {
        let at = 0;
        for (let axis = 0; axis < depth; axis++) {
          const place = axisOf(places[i * depth + axis], shape[axis]);
          if (!(place >= 0 && place < shape[axis])) return false;
          at = at * shape[axis] + place;
        }
        mask.fill(1, at * slice, (at + 1) * slice);
        values.set(numbers.subarray(i * slice, (i + 1) * slice), at * slice);
      }
      return true;
    },
  };
}

/** Where(mask, constant, value) or Where(mask, value, constant) with a constant mask. */
function choose({ inputs }: GraphNode, { constants }: Context): Write | undefined {
  const condition = constants.get(inputs[0]);
  const [then, otherwise] = [constants.get(inputs[1]), constants.get(inputs[2])];
  const constant = then ?? otherwise;
  if (!condition || !constant || (then && otherwise)) return undefined;
  return {
    over: then ? inputs[2] : inputs[1],
    onto({ shape, mask, values }) {
      if (![condition, constant].every((array) => broadcastsTo(array.shape, shape))) return false;
      const [conditions, numbers] = [broadcasting(condition, shape), broadcasting(constant, shape)];
      for (let at = 0; at < mask.length; at++) {
        if ((conditions(at) !== 0) !== (then !== undefined)) continue;
        mask[at] = 1;
        values[at] = numbers(at);
      }
      return true;
    },
  };
}

const broadcastsTo = (from: readonly number[], to: readonly number[]): boolean =>
  from.length <= to.length && from.every((size, axis) => size === 1 || size === to[to.length - from.length + axis]);

/** The element of an array that an element of a larger shape is broadcast from. */
function broadcasting(array: NamedArray, shape: readonly number[]): (at: number) => number {
  const data = toFloat64(array);
  const missing = shape.length - array.shape.length;
  return (at) => {
    let [rest, index, stride] = [at, 0, 1];
    for (let axis = shape.length - 1; axis >= missing; axis--) {
      const own = array.shape[axis - missing];
      if (own !== 1) index += stride * (rest % shape[axis]);
      rest = Math.floor(rest / shape[axis]);
      stride *= own;
    }
    return data[index];
  };
}

const writers: Readonly<Record<string, (node: GraphNode, context: Context) => Write | undefined>> = {
  Add: add,
  ScatterND: scatter,
  Where: choose,
};

/** Concat of a value and of constants before and behind it along positions, one number a channel: padding with them. */
function concatenatedBorder({ node, constants }: Context): LinearNode | undefined {
  const inner = node.inputs.filter((input) => !constants.has(input));
  const rank = constants.get(node.inputs.find((input) => constants.has(input)) ?? "")?.shape.length;
  if (inner.length !== 1 || rank === undefined || rank < 3) return undefined;
  const axis = axisOf(intAttribute(node, "axis", 1), rank);
  if (axis < 2) return undefined;
  const at = node.inputs.indexOf(inner[0]);
  const arrays = node.inputs.flatMap((input) => constants.get(input) ?? []);
  const values = channelValues(arrays);
  if (!values) return undefined;
  const width = (inputs: readonly string[]): number =>
    inputs.reduce((total, input) => total + constants.get(input)!.shape[axis], 0);
  const pads = new Array<number>(2 * (rank - 2)).fill(0);
  pads[axis - 2] = width(node.inputs.slice(0, at));
  pads[axis - 2 + (rank - 2)] = width(node.inputs.slice(at + 1));
  return {
    kind: "unary",
    input: inner[0],
    free: false,
    macs: () => 0,
    after: (map, view) =>
      isPlain(view, map) && view.rank === rank && map.outChannels === values.length
        ? padOutput(map, pads, values)
        : undefined,
  };
}

/** The one number for each channel that all these arrays [N, C, …], joined along positions, have; undefined where there is none. */
function channelValues(arrays: readonly NamedArray[]): Float64Array | undefined {
  const channels = arrays[0].shape[1];
  const found = new Float64Array(channels).fill(Number.NaN);
  for (const array of arrays) {
    const plane = array.shape.slice(2).reduce((total, size) => total * size, 1);
    const data = toFloat64(array);
    for (let i = 0; i < data.length; i++) {
      const channel = Math.floor(i / plane) % channels;
      if (Number.isNaN(found[channel])) found[channel] = data[i];
      if (found[channel] !== data[i]) return undefined;
    }
  }
  return found.some(Number.isNaN) ? undefined : found;
}

export const borderWrites: Rule = {
  id: "border-write",
  nodes: "ScatterND, Where, Add or Concat of constants that give all of a border one value a channel",
  effect: "more pads: it is the Pad with that value",
  refuses: ["border", "pad-value", "input-beyond-the-edge"],
  makers: { Add: borderWrite, Concat: concatenatedBorder, ScatterND: borderWrite, Where: borderWrite },
};
