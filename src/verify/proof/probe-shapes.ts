import { elementCount, toFloat64 } from "../../core/named-arrays.js";
import { attribute, intAttribute } from "../../graph/attributes.js";
import type { Dimension, Graph, GraphNode } from "../../graph/graph.js";
import { windowOf } from "../../graph/window.js";

/** Products from which a smaller source is taken: one that shows every tap and border, but not all taps at one position. */
const manyProducts = 2 ** 31;

/**
 * Shapes of sources on which a region and the convolution that replaces it show all that they do: every way in which the window reaches over
 * an edge, a position at which it does not, and, with a stride of s, each remainder of the size by s (the source's own where its size is
 * known: the fold may have used it). Never larger than the source is.
 * @param region the nodes that were replaced
 * @param node the one that replaces them
 * @param constants of both
 * @param shape of the source, as far as it is known
 */
export function probeShapes(
  region: readonly GraphNode[],
  node: GraphNode,
  constants: Pick<Graph["initializers"], "get">,
  shape: readonly Dimension[] | undefined,
): readonly (readonly number[])[] {
  const weight = constants.get(node.inputs[1] ?? "");
  if (!weight || node.op === "Mul" || node.op === "Add") return [anyPositions(weight?.shape ?? [], shape)];
  const batch = typeof shape?.[0] === "number" ? shape[0] : 1;
  const channels = channelsOf(node, weight.shape, shape);
  const kernel = weight.shape.slice(2);
  if (node.op === "Gemm" || node.op === "MatMul" || kernel.length === 0) {
    return [[...(shape ?? [1]).slice(0, -1).map((size) => (typeof size === "number" ? size : 1)), channels]];
  }
  const known = shape?.slice(2) ?? kernel.map(() => "");
  if (known.every((size) => typeof size === "number") && region.some((inside) => dependsOnSize(inside, constants))) {
    return [[batch, channels, ...(known as number[])]];
  }
  const { strides, dilations, pads = [] } = windowOf(node, kernel, known);
  if (node.op === "ConvTranspose") {
    const sizes = known.map((size, axis) => {
      const extent = (kernel[axis] - 1) * dilations[axis] + 1;
      const least = Math.ceil((extent + pads[axis] + pads[axis + kernel.length]) / strides[axis]) + 2;
      return typeof size === "number" ? Math.min(size, least) : least;
    });
    return [[1, channels, ...sizes]];
  }
  const along = (axis: number, small: boolean): number[] => {
    const [stride, begin, end] = [strides[axis], pads[axis] ?? 0, pads[axis + kernel.length] ?? 0];
    const extent = (kernel[axis] - 1) * dilations[axis] + 1;
    const least = small
      ? Math.max(extent - begin, extent - end, 1)
      : Math.max(Math.ceil(Math.max(0, begin) / stride) * stride - begin + extent, 1);
    const size = known[axis];
    if (typeof size !== "number") return Array.from({ length: Math.min(stride, 4) }, (_, more) => least + more);
    return [Math.min(size, least + ((((size - least) % stride) + stride) % stride))];
  };
  const products = (sizes: readonly number[]): number =>
    sizes.reduce((area, size, axis) => (area * size) / strides[axis], 1) * elementCount(weight.shape);
  const sizesOf = (small: boolean): number[][] => {
    const axes = kernel.map((_, axis) => along(axis, small));
    const rounds = Math.max(1, ...axes.map(({ length }) => length));
    return Array.from({ length: rounds }, (_, round) => axes.map((sizes) => sizes[round % sizes.length]));
  };
  const sizes = sizesOf(false);
  const chosen =
    sizes.reduce((sum, each) => sum + products(each), 0) > manyProducts ? sizesOf(true).slice(0, 1) : sizes;
  return chosen.map((each) => [1, channels, ...each]);
}

/** A few positions of a value of which each channel is scaled and shifted by itself: constants of [C, …1], or [C] along the last axis. */
function anyPositions(constant: readonly number[], shape: readonly Dimension[] | undefined): readonly number[] {
  const [channels = 1] = constant;
  const sizes = shape ?? [1, channels, ...constant.slice(1).map(() => 2)];
  const channelAxis = constant.length === 1 ? sizes.length - 1 : 1;
  return sizes.map((size, axis) =>
    axis === channelAxis && constant.length > 0 ? channels : Math.min(Number(size) || 2, 4),
  );
}

function channelsOf(node: GraphNode, weight: readonly number[], shape: readonly Dimension[] | undefined): number {
  if (node.op === "Gemm") return intAttribute(node, "transB", 0) === 1 ? weight[1] : weight[0];
  if (node.op === "MatMul" || node.op === "ConvTranspose") return weight[0];
  const own = weight[1] * intAttribute(node, "group", 1);
  return typeof shape?.[1] === "number" ? shape[1] : own;
}

/** Operators that do the same at each position, whatever the size. */
const anySize = new Set(
  "Add,AveragePool,BatchNormalization,Concat,Conv,ConvTranspose,Div,Dropout,Gemm,Identity,MatMul,Mul,Neg,Pad,Split,Sub,Sum".split(
    ",",
  ),
);

/** The node may be made for one size of its input only: it cuts or writes at places that are counted from the first. */
function dependsOnSize(node: GraphNode, constants: Pick<Graph["initializers"], "get">): boolean {
  if (node.domain !== "") return true;
  if (node.op === "Split") return intAttribute(node, "axis", 0) !== 1;
  if (node.op === "Slice") {
    const given = constants.get(node.inputs[3]);
    const axes = given ? Array.from(toFloat64(given)) : attribute(node, "axes", "ints");
    return axes?.some((axis) => axis !== 1) ?? true;
  }
  return !anySize.has(node.op);
}
