import { elementCount } from "../core/named-arrays.js";
import { intAttribute } from "../graph/attributes.js";
import { gatherElements } from "../graph/evaluate/broadcast.js";
import { stridesOf, type Tensor64, tensor64 } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { axisAttribute, choice, listContents, ranked } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, indices, signature } from "../graph/operator/signature.js";

const types = { T: all, I: indices };

/** An index from the front. @throws ShapeError outside the axis. */
export function indexIn(context: Pick<NodeContext, "node">, index: number, size: number): number {
  if (index >= -size && index < size && Number.isInteger(index)) return index < 0 ? index + size : index;
  return refuse(context, `indices from ${-size} to ${size - 1}`, String(index));
}

const gatherSignature = signature("data:T indices:I -> output:T", types);

const gather: Operator = {
  name: "Gather",
  versions: [1, 11, 13],
  signature: () => gatherSignature,
  infer(context) {
    const [x, places] = [context.shape(0), context.shape(1)];
    if (!x) return [undefined];
    const axis = axisAttribute(context, "axis", 0, x.length);
    const size = x[axis];
    if (typeof size === "number")
      for (const index of context.contents(1) ?? []) if (typeof index === "number") indexIn(context, index, size);
    return [places && [...x.slice(0, axis), ...places, ...x.slice(axis + 1)]];
  },
  evaluate: (call) => {
    const [x, places] = call.inputs as readonly Tensor64[];
    const axis = axisAttribute(call, "axis", 0, x.shape.length);
    const size = x.shape[axis];
    const strides = stridesOf(places.shape);
    return [
      gatherElements(x, call.outputShapes[0]!, (index) => {
        const at = index.slice(axis, axis + places.shape.length).reduce((offset, i, j) => offset + i * strides[j], 0);
        return [
          ...index.slice(0, axis),
          indexIn(call, places.data[at], size),
          ...index.slice(axis + places.shape.length),
        ];
      }),
    ];
  },
  contents(context): readonly Dimension[] | undefined {
    const [values, places] = [context.contents(0), context.contents(1)];
    if (!values || !places || context.shape(0)?.length !== 1 || intAttribute(context.node, "axis", 0) > 0)
      return undefined;
    const picked = places.map((i) => (typeof i === "number" ? values.at(i) : undefined));
    return picked.includes(undefined) ? undefined : (picked as Dimension[]);
  },
};

const gatherElementsOperator: Operator = {
  name: "GatherElements",
  versions: [11, 13],
  signature: () => gatherSignature,
  infer(context) {
    const [x, places] = [context.shape(0), context.shape(1)];
    if (!x || !places) return [places];
    const axis = axisAttribute(context, "axis", 0, x.length);
    checkBeside(context, x, places, axis);
    return [places];
  },
  evaluate: (call) => {
    const [x, places] = call.inputs as readonly Tensor64[];
    const axis = axisAttribute(call, "axis", 0, x.shape.length);
    const strides = stridesOf(places.shape);
    return [
      gatherElements(x, places.shape, (index) => {
        const at = index.reduce((offset, i, j) => offset + i * strides[j], 0);
        return index.with(axis, indexIn(call, places.data[at], x.shape[axis]));
      }),
    ];
  },
};

/** Indices of as many axes, none longer but along the gathered one. */
function checkBeside(context: NodeContext, x: readonly Dimension[], places: readonly Dimension[], axis: number): void {
  const fits =
    places.length === x.length &&
    places.every((size, i) => i === axis || typeof size === "string" || typeof x[i] === "string" || size <= x[i]);
  if (!fits)
    refuse(context, `indices of ${x.length} axes, at most ${describe(x)} beside axis ${axis}`, describe(places));
}

const ndSignature = signature("data:T indices:i64 -> output:T", types);

const gatherND: Operator = {
  name: "GatherND",
  versions: [11, 12, 13],
  signature: () => ndSignature,
  infer(context) {
    const [x, places] = [context.shape(0), context.shape(1)];
    const batch = intAttribute(context.node, "batch_dims", 0);
    if (!x || !places) return [undefined];
    const depth = places.at(-1);
    if (typeof depth !== "number") return [undefined];
    if (
      places.length < 1 ||
      batch < 0 ||
      batch >= Math.min(x.length, places.length) ||
      depth < 1 ||
      batch + depth > x.length
    ) {
      refuse(context, `indices [..., at most ${x.length - batch}]`, describe(places));
    }
    return [[...places.slice(0, -1), ...x.slice(batch + depth)]];
  },
  evaluate: (call) => {
    const [x, places] = call.inputs as readonly Tensor64[];
    const batch = intAttribute(call.node, "batch_dims", 0);
    const depth = places.shape.at(-1)!;
    const strides = stridesOf(places.shape);
    const outer = places.shape.length - 1;
    return [
      gatherElements(x, call.outputShapes[0]!, (index) => {
        const at = index.slice(0, outer).reduce((offset, i, j) => offset + i * strides[j], 0);
        const own = Array.from({ length: depth }, (_, j) => indexIn(call, places.data[at + j], x.shape[batch + j]));
        return [...index.slice(0, batch), ...own, ...index.slice(outer)];
      }),
    ];
  },
};

const reductions = {
  none: (_: number, update: number) => update,
  add: (old: number, update: number) => old + update,
  mul: (old: number, update: number) => old * update,
  max: Math.max,
  min: Math.min,
};

/** How an update meets what is there: by attribute since version 16. */
function reductionOf(context: NodeContext): (old: number, update: number) => number {
  const options =
    context.version < 16
      ? (["none"] as const)
      : context.version < 18
        ? (["none", "add", "mul"] as const)
        : (["none", "add", "mul", "max", "min"] as const);
  return reductions[choice<keyof typeof reductions>(context, "reduction", options, "none")];
}

const scatterSignature = signature("data:T indices:I updates:T -> output:T", types);

const scatterElements = (name: string, versions: readonly number[]): Operator => ({
  name,
  versions,
  signature: () => scatterSignature,
  infer(context) {
    reductionOf(context);
    const [x, places, updates] = [context.shape(0), context.shape(1), context.shape(2)];
    if (x && places) checkBeside(context, x, places, axisAttribute(context, "axis", 0, x.length));
    if (
      places &&
      updates &&
      `${places}` !== `${updates}` &&
      [...places, ...updates].every((size) => typeof size === "number")
    ) {
      refuse(context, `updates of shape ${describe(places)}, as the indices`, describe(updates));
    }
    return [x];
  },
  evaluate: (call) => {
    const [x, places, updates] = call.inputs as readonly Tensor64[];
    const axis = axisAttribute(call, "axis", 0, x.shape.length);
    const meet = reductionOf(call);
    const result = x.data.slice();
    const [own, strides] = [stridesOf(places.shape), stridesOf(x.shape)];
    places.data.forEach((index, i) => {
      let to = 0;
      for (let a = 0; a < own.length; a++) {
        const here = Math.floor(i / own[a]) % places.shape[a];
        to += (a === axis ? indexIn(call, index, x.shape[axis]) : here) * strides[a];
      }
      result[to] = meet(result[to], updates.data[i]);
    });
    return [tensor64(x.shape, result, x.dtype)];
  },
});

const scatterNdSignature = signature("data:T indices:i64 updates:T -> output:T", types);

const scatterND: Operator = {
  name: "ScatterND",
  versions: [11, 13, 16, 18],
  signature: () => scatterNdSignature,
  infer(context) {
    reductionOf(context);
    const [x, places, updates] = [context.shape(0), context.shape(1), context.shape(2)];
    const depth = places?.at(-1);
    if (x && places && typeof depth === "number") {
      if (places.length < 1 || depth > x.length)
        refuse(context, `indices [..., at most ${x.length}]`, describe(places));
      const wanted = [...places.slice(0, -1), ...x.slice(depth)];
      const fits =
        !updates ||
        (updates.length === wanted.length &&
          updates.every((size, i) => typeof size === "string" || typeof wanted[i] === "string" || size === wanted[i]));
      if (!fits) refuse(context, `updates of shape ${describe(wanted)}`, describe(updates));
    }
    return [x];
  },
  evaluate: (call) => {
    const [x, places, updates] = call.inputs as readonly Tensor64[];
    const depth = places.shape.at(-1) ?? 0;
    const meet = reductionOf(call);
    const result = x.data.slice();
    const strides = stridesOf(x.shape);
    const block = elementCount(x.shape.slice(depth));
    for (let row = 0; row < places.data.length / Math.max(depth, 1); row++) {
      let to = 0;
      for (let j = 0; j < depth; j++) to += indexIn(call, places.data[row * depth + j], x.shape[j]) * strides[j];
      for (let i = 0; i < block; i++) result[to + i] = meet(result[to + i], updates.data[row * block + i]);
    }
    return [tensor64(x.shape, result, x.dtype)];
  },
};

const oneHotSignature = signature("indices:T1 depth:T2 values:T3 -> output:T3", { T1: all, T2: all, T3: all });

const oneHot: Operator = {
  name: "OneHot",
  versions: [9, 11],
  signature: () => oneHotSignature,
  infer(context) {
    const x = context.shape(0);
    const depth = listContents(context, 1)?.[0];
    ranked(context, 2, [1], "a vector of two numbers as values");
    if (!x || typeof depth !== "number") return [undefined];
    if (!(depth >= 1)) refuse(context, "a depth of at least 1", String(depth));
    const axis = axisAttribute(context, "axis", -1, x.length + 1);
    return [x.toSpliced(axis, 0, Math.trunc(depth))];
  },
  evaluate: (call) => {
    const [x, , values] = call.inputs as readonly Tensor64[];
    const shape = call.outputShapes[0]!;
    const axis = axisAttribute(call, "axis", -1, shape.length);
    const depth = shape[axis];
    const inner = elementCount(shape.slice(axis + 1));
    const result = new Float64Array(elementCount(shape)).map((_, i) => {
      const place = Math.floor(i / inner) % depth;
      const at = Math.floor(i / inner / depth) * inner + (i % inner);
      const index = x.data[at] < 0 ? x.data[at] + depth : x.data[at];
      return values.data[index === place ? 1 : 0];
    });
    return [tensor64(shape, result, values.dtype)];
  },
};

/** Picking by, and writing to, places that an operand names. */
export const gatherOperators: readonly Operator[] = [
  gather,
  gatherElementsOperator,
  gatherND,
  scatterElements("ScatterElements", [11, 13, 16, 18]),
  scatterElements("Scatter", [9]),
  scatterND,
  oneHot,
];
