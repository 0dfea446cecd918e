import { flagAttribute, intAttribute } from "../graph/attributes.js";
import { tensor64 } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { axesOf, integers, isGiven, listContents, ranked } from "../graph/operator/checks.js";
import { remainingDimension, staticCount } from "../graph/operator/dimensions.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

/** The operand's numbers under the shape that the rule gives. */
const renamed: NonNullable<Operator["evaluate"]> = ({ inputs: [x], outputShapes: [shape] }) => [
  tensor64(shape!, x!.data, x!.dtype),
];

/** Reshape's rule: 0 copies the size at its place (unless allowzero), one −1 takes what is left. */
function reshaped(context: NodeContext, x: Shape, target: Shape): Shape {
  const { node } = context;
  const allowZero = context.version >= 14 && flagAttribute(node, "allowzero", false);
  const sizes = target.map((size, axis): Dimension => {
    if (size !== 0 || allowZero) return size;
    return x[axis] ?? refuse(context, `a target whose zeros stand below axis ${x.length}`, describe(target));
  });
  const unknown = sizes.indexOf(-1);
  if (
    sizes.some((size) => typeof size === "number" && (size < -1 || !Number.isInteger(size))) ||
    sizes.indexOf(-1, unknown + 1) > unknown
  ) {
    refuse(context, "a target of sizes with at most one −1", describe(target));
  }
  const sameCount = (result: Shape): Shape => {
    const [from, to] = [staticCount(x), staticCount(result)];
    if (from !== undefined && to !== undefined && (from !== to || !result.every((size) => Number.isInteger(size)))) {
      refuse(context, `a target of as many elements as ${describe(x)} (${from})`, describe(target));
    }
    return result;
  };
  if (unknown < 0) return sameCount(sizes);
  const beside = sizes.toSpliced(unknown, 1);
  if (allowZero && beside.includes(0)) refuse(context, "no −1 beside a 0 (allowzero)", describe(target));
  if (staticCount(beside) === 0 && staticCount(x) === 0) return sizes.with(unknown, 0);
  const rest = remainingDimension(x, beside);
  return sameCount(sizes.with(unknown, rest ?? `${node.outputs[0]}:${unknown}`));
}

const byAttribute = signature("data:T -> reshaped:T", { T: all });
const byInput = signature("data:T shape:i64 -> reshaped:T", { T: all });

/** Elements of an integer vector or scalar stay what they are under another shape of one axis at most. */
const passing = (context: NodeContext): readonly Dimension[] | undefined => context.contents(0);

const reshape: Operator = {
  name: "Reshape",
  versions: [1, 5, 13, 14, 19, 21, 23, 24, 25],
  signature: (version) => (version < 5 ? byAttribute : byInput),
  infer(context) {
    const target =
      context.version < 5 ? integers(context, Number.POSITIVE_INFINITY, "shape") : listContents(context, 1);
    const x = context.shape(0);
    if (context.version >= 5) ranked(context, 1, [1], "a vector of sizes as target");
    if (!target) {
      const rank = context.shape(1)?.[0];
      return [
        typeof rank === "number" && rank <= 64
          ? Array.from({ length: rank }, (_, axis) => `${context.node.outputs[0]}:${axis}`)
          : undefined,
      ];
    }
    if (x) return [reshaped(context, x, target)];
    return [target.map((size, axis) => (size === 0 || size === -1 ? `${context.node.outputs[0]}:${axis}` : size))];
  },
  evaluate: renamed,
  contents: passing,
};

const oneInput = signature("input:T -> output:T", { T: all });

const flatten: Operator = {
  name: "Flatten",
  versions: [1, 9, 11, 13, 21, 23, 24, 25],
  signature: () => oneInput,
  infer(context) {
    const x = context.shape(0);
    if (!x) return [[`${context.node.outputs[0]}:0`, `${context.node.outputs[0]}:1`]];
    const stated = intAttribute(context.node, "axis", 1);
    const axis = stated < 0 ? stated + x.length : stated;
    if (!(axis >= 0 && axis <= x.length)) refuse(context, `an axis from ${-x.length} to ${x.length}`, `axis ${stated}`);
    const join = (sizes: Shape, name: number): Dimension =>
      remainingDimension(sizes, []) ?? `${context.node.outputs[0]}:${name}`;
    return [[join(x.slice(0, axis), 0), join(x.slice(axis), 1)]];
  },
  evaluate: renamed,
};

const squeezeByInput = signature("data:T axes?:i64 -> squeezed:T", { T: all });

const squeeze: Operator = {
  name: "Squeeze",
  versions: [1, 11, 13, 21, 23, 24, 25],
  signature: (version) => (version < 13 ? oneInput : squeezeByInput),
  infer(context) {
    const x = context.shape(0);
    const given = context.version < 13 ? integers(context, Number.POSITIVE_INFINITY, "axes") : integers(context, 1);
    if (!x || (!given && isGiven(context, 1))) return [undefined];
    if (!given) return [x.some((size) => typeof size === "string") ? undefined : x.filter((size) => size !== 1)];
    const axes = axesOf(context, given, x.length);
    const larger = axes.find((axis) => typeof x[axis] === "number" && x[axis] !== 1);
    if (larger !== undefined) refuse(context, `size 1 along axis ${larger}`, describe(x));
    return [x.filter((_, axis) => !axes.includes(axis))];
  },
  evaluate: renamed,
  contents: passing,
};

/** Shape after Unsqueeze: ones inserted at the axes, which count in the result. */
export function unsqueezed(context: NodeContext, x: Shape, axes: readonly number[]): Shape {
  const rank = x.length + axes.length;
  const ones = new Set(axesOf(context, axes, rank));
  let next = 0;
  return Array.from({ length: rank }, (_, axis) => (ones.has(axis) ? 1 : x[next++]));
}

/** Axes as an Unsqueeze names them; undefined where they are computed. */
export function insertedAxes(context: NodeContext): readonly number[] | undefined {
  return context.version < 13 ? integers(context, Number.POSITIVE_INFINITY, "axes") : integers(context, 1);
}

const unsqueezeByInput = signature("data:T axes:i64 -> expanded:T", { T: all });

const unsqueeze: Operator = {
  name: "Unsqueeze",
  versions: [1, 11, 13, 21, 23, 24, 25],
  signature: (version) => (version < 13 ? oneInput : unsqueezeByInput),
  infer(context) {
    const x = context.shape(0);
    const axes = insertedAxes(context);
    if (!axes && context.version < 13) refuse(context, "axes", "none");
    return [x && axes && unsqueezed(context, x, axes)];
  },
  evaluate: renamed,
  contents: passing,
};

/** The same numbers under another shape. */
export const reshapeOperators: readonly Operator[] = [reshape, flatten, squeeze, unsqueeze];
