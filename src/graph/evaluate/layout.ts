import { ShapeError, UserError } from "../../core/errors.js";
import { attribute, intAttribute, intsAttribute, stringAttribute } from "../attributes.js";
import type { GraphNode } from "../graph.js";
import type { Operators } from "./operator.js";
import { integers, required } from "./operator.js";
import { resizeNearest } from "./resize.js";
import type { Tensor64 } from "./tensor64.js";
import { normalAxis, stridesOf, tensor64, toTensor64, zeros } from "./tensor64.js";

const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);

/** A value of the given shape whose element at an index is x's at `from(index)`; undefined gives `fill`. */
export function gatherElements(
  x: Tensor64,
  shape: readonly number[],
  from: (index: readonly number[]) => readonly number[] | undefined,
  fill = 0,
): Tensor64 {
  const strides = stridesOf(x.shape);
  const result = zeros(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let at = 0; at < result.length; at++) {
    const source = from(index);
    result[at] = source ? x.data[source.reduce((offset, i, axis) => offset + i * strides[axis], 0)] : fill;
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return tensor64(shape, result, x.dtype);
}

/** Reshape's rule: 0 copies the size at its place (unless allowZero), one −1 takes what is left. @throws ShapeError. */
export function reshapedShape(shape: readonly number[], target: readonly number[], allowZero = false): number[] {
  const sizes = target.map((size, axis) => (size === 0 && !allowZero ? shape[axis] : size));
  const unknown = sizes.indexOf(-1);
  const known = product(sizes.filter((size) => size !== -1));
  if (unknown >= 0) sizes[unknown] = product(shape) / known;
  if (product(sizes) !== product(shape) || sizes.some((size) => !Number.isInteger(size) || size < 0)) {
    throw new ShapeError({
      expected: `a reshape of [${shape.join(", ")}] to as many elements`,
      received: `[${target.join(", ")}]`,
    });
  }
  return sizes;
}

/** [start, end, step] of each sliced axis, clamped as ONNX and numpy do. */
export function sliceRange(size: number, start: number, end: number, step: number): { start: number; count: number } {
  const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (step > 0) {
    const first = clamp(from, 0, size);
    return { start: first, count: Math.max(0, Math.ceil((clamp(to, 0, size) - first) / step)) };
  }
  const first = clamp(from, 0, size - 1);
  return { start: first, count: Math.max(0, Math.ceil((clamp(to, -1, size - 1) - first) / step)) };
}

function slice(inputs: readonly (Tensor64 | undefined)[], node: GraphNode): Tensor64 {
  const x = required(inputs, 0, node);
  const starts = integers(inputs[1], intsAttribute(node, "starts")) ?? [];
  const ends = integers(inputs[2], intsAttribute(node, "ends")) ?? [];
  const axes = integers(inputs[3], intsAttribute(node, "axes")) ?? starts.map((_, i) => i);
  const steps = integers(inputs[4], undefined) ?? starts.map(() => 1);
  const shape = [...x.shape];
  const first = shape.map(() => 0);
  const step = shape.map(() => 1);
  axes.forEach((named, i) => {
    const axis = normalAxis(named, shape.length);
    const range = sliceRange(x.shape[axis], starts[i], ends[i], steps[i]);
    [first[axis], step[axis], shape[axis]] = [range.start, steps[i], range.count];
  });
  return gatherElements(x, shape, (index) => index.map((i, axis) => first[axis] + i * step[axis]));
}

/** Sizes of the parts of Split: given, or as equal as they can be (the last smaller). */
export function splitSizes(size: number, given: readonly number[] | undefined, outputs: number): number[] {
  if (given) return [...given];
  const each = Math.ceil(size / outputs);
  return Array.from({ length: outputs }, (_, i) => Math.min(each, size - i * each));
}

function split(inputs: readonly (Tensor64 | undefined)[], node: GraphNode): Tensor64[] {
  const x = required(inputs, 0, node);
  const axis = normalAxis(intAttribute(node, "axis", 0), x.shape.length);
  const sizes = splitSizes(x.shape[axis], integers(inputs[1], intsAttribute(node, "split")), node.outputs.length);
  let first = 0;
  return sizes.map((size) => {
    const from = first;
    first += size;
    return gatherElements(x, x.shape.with(axis, size), (index) => index.with(axis, from + index[axis]));
  });
}

function concat(inputs: readonly Tensor64[], node: GraphNode): Tensor64 {
  const [first] = inputs;
  const axis = normalAxis(intAttribute(node, "axis", 0), first.shape.length);
  const shape = first.shape.with(
    axis,
    inputs.reduce((total, x) => total + x.shape[axis], 0),
  );
  const inner = product(first.shape.slice(axis + 1));
  const result = zeros(shape);
  const row = shape[axis] * inner;
  let offset = 0;
  for (const x of inputs) {
    const width = x.shape[axis] * inner;
    for (let from = 0, to = offset; from < x.data.length; from += width, to += row) {
      result.set(x.data.subarray(from, from + width), to);
    }
    offset += width;
  }
  return tensor64(shape, result, first.dtype);
}

function pad(inputs: readonly (Tensor64 | undefined)[], node: GraphNode): Tensor64 {
  const x = required(inputs, 0, node);
  const rank = x.shape.length;
  const given = integers(inputs[1], intsAttribute(node, "pads")) ?? [];
  const axes = integers(inputs[3], undefined)?.map((axis) => normalAxis(axis, rank)) ?? x.shape.map((_, axis) => axis);
  const begins = x.shape.map(() => 0);
  const ends = x.shape.map(() => 0);
  axes.forEach((axis, i) => {
    begins[axis] = given[i];
    ends[axis] = given[i + axes.length];
  });
  const fill = inputs[2]?.data[0] ?? attribute(node, "value", "float") ?? 0;
  const mode = stringAttribute(node, "mode", "constant");
  const shape = x.shape.map((size, axis) => size + begins[axis] + ends[axis]);
  const inside = (i: number, size: number): number | undefined => {
    if (i >= 0 && i < size) return i;
    if (mode === "edge") return i < 0 ? 0 : size - 1;
    if (mode === "reflect") return i < 0 ? -i : 2 * (size - 1) - i;
    if (mode === "wrap") return (i + size) % size;
    return undefined;
  };
  return gatherElements(
    x,
    shape,
    (index) => {
      const from = index.map((i, axis) => inside(i - begins[axis], x.shape[axis]));
      return from.includes(undefined) ? undefined : (from as number[]);
    },
    fill,
  );
}

function gather(x: Tensor64, indices: Tensor64, node: GraphNode): Tensor64 {
  const axis = normalAxis(intAttribute(node, "axis", 0), x.shape.length);
  const size = x.shape[axis];
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const strides = stridesOf(indices.shape);
  return gatherElements(x, shape, (index) => {
    const inner = index.slice(axis, axis + indices.shape.length);
    const at = indices.data[inner.reduce((offset, i, j) => offset + i * strides[j], 0)];
    if (!(at >= -size && at < size)) {
      throw new ShapeError({ expected: `indices of ${size} elements in Gather "${node.name}"`, received: `${at}` });
    }
    return [...index.slice(0, axis), at < 0 ? at + size : at, ...index.slice(axis + indices.shape.length)];
  });
}

/** Shape after Unsqueeze: ones inserted at the axes, which count in the result. */
export function unsqueezed<T>(shape: readonly T[], axes: readonly number[], one: T): T[] {
  const rank = shape.length + axes.length;
  const ones = new Set(axes.map((axis) => normalAxis(axis, rank)));
  let next = 0;
  return Array.from({ length: rank }, (_, axis) => (ones.has(axis) ? one : shape[next++]));
}

function constant(node: GraphNode): Tensor64 {
  const value = attribute(node, "value", "tensor");
  if (value) return toTensor64(value);
  const number = attribute(node, "value_float", "float") ?? attribute(node, "value_int", "int");
  const dtype = node.attributes.value_int || node.attributes.value_ints ? "i64" : "f32";
  if (number !== undefined) return tensor64([], Float64Array.of(number), dtype);
  const numbers = attribute(node, "value_floats", "floats") ?? attribute(node, "value_ints", "ints");
  if (numbers) return tensor64([numbers.length], Float64Array.from(numbers), dtype);
  throw new UserError({ expected: `a dense numeric value in Constant "${node.name}"`, received: "another kind" });
}

export const layoutOperators: Operators = {
  Concat: (inputs, node) => [
    concat(
      inputs.map((_, i) => required(inputs, i, node)),
      node,
    ),
  ],
  Constant: (_, node) => [constant(node)],
  ConstantOfShape: (inputs, node) => {
    const shape = Array.from(required(inputs, 0, node).data);
    const value = attribute(node, "value", "tensor");
    const fill = value ? toTensor64(value).data[0] : 0;
    return [tensor64(shape, zeros(shape).fill(fill), value?.dtype ?? "f32")];
  },
  DepthToSpace: (inputs, node) => {
    const x = required(inputs, 0, node);
    const size = intAttribute(node, "blocksize", 1);
    const columnsFirst = stringAttribute(node, "mode", "DCR") === "DCR";
    const [n, c, h, w] = x.shape;
    const depth = c / size ** 2;
    return [
      gatherElements(x, [n, depth, h * size, w * size], ([b, d, y, z]) => {
        const block = (y % size) * size + (z % size);
        return [
          b,
          columnsFirst ? block * depth + d : d * size ** 2 + block,
          Math.floor(y / size),
          Math.floor(z / size),
        ];
      }),
    ];
  },
  Expand: (inputs, node) => {
    const x = required(inputs, 0, node);
    const target = Array.from(required(inputs, 1, node).data);
    const rank = Math.max(target.length, x.shape.length);
    const own = [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
    const sizes = [...new Array<number>(rank - target.length).fill(1), ...target];
    const shape = own.map((size, axis) => Math.max(size, sizes[axis]));
    const offset = rank - x.shape.length;
    return [gatherElements(x, shape, (index) => x.shape.map((size, axis) => (size === 1 ? 0 : index[axis + offset])))];
  },
  Flatten: (inputs, node) => {
    const x = required(inputs, 0, node);
    const axis = intAttribute(node, "axis", 1);
    const at = axis < 0 ? axis + x.shape.length : axis;
    return [tensor64([product(x.shape.slice(0, at)), product(x.shape.slice(at))], x.data, x.dtype)];
  },
  Gather: (inputs, node) => [gather(required(inputs, 0, node), required(inputs, 1, node), node)],
  Pad: (inputs, node) => [pad(inputs, node)],
  Range: (inputs, node) => {
    const [start, limit, step] = [0, 1, 2].map((i) => required(inputs, i, node).data[0]);
    const count = Math.max(0, Math.ceil((limit - start) / step));
    return [
      tensor64(
        [count],
        Float64Array.from({ length: count }, (_, i) => start + i * step),
        inputs[0]!.dtype,
      ),
    ];
  },
  Reshape: (inputs, node) => {
    const x = required(inputs, 0, node);
    const target = Array.from(required(inputs, 1, node).data);
    return [tensor64(reshapedShape(x.shape, target, intAttribute(node, "allowzero", 0) === 1), x.data, x.dtype)];
  },
  Resize: (inputs, node) => {
    const scales = inputs[2]?.data.length ? Array.from(inputs[2].data) : undefined;
    return [resizeNearest(required(inputs, 0, node), scales, integers(inputs[3], undefined), node)];
  },
  Shape: (inputs, node) => {
    const x = required(inputs, 0, node);
    const sizes = x.shape.slice(intAttribute(node, "start", 0), attribute(node, "end", "int"));
    return [tensor64([sizes.length], Float64Array.from(sizes), "i64")];
  },
  Size: (inputs, node) => [tensor64([], Float64Array.of(product(required(inputs, 0, node).shape)), "i64")],
  Slice: (inputs, node) => [slice(inputs, node)],
  Split: split,
  Squeeze: (inputs, node) => {
    const x = required(inputs, 0, node);
    const axes = integers(inputs[1], intsAttribute(node, "axes"))?.map((axis) => normalAxis(axis, x.shape.length));
    const shape = x.shape.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1));
    return [tensor64(shape, x.data, x.dtype)];
  },
  Tile: (inputs, node) => {
    const x = required(inputs, 0, node);
    const repeats = required(inputs, 1, node).data;
    const shape = x.shape.map((size, axis) => size * repeats[axis]);
    return [gatherElements(x, shape, (index) => index.map((i, axis) => i % x.shape[axis]))];
  },
  Transpose: (inputs, node) => {
    const x = required(inputs, 0, node);
    const order = intsAttribute(node, "perm") ?? x.shape.map((_, axis) => axis).reverse();
    const shape = order.map((axis) => x.shape[axis]);
    return [gatherElements(x, shape, (index) => x.shape.map((_, axis) => index[order.indexOf(axis)]))];
  },
  Unsqueeze: (inputs, node) => {
    const x = required(inputs, 0, node);
    const axes = integers(inputs[1], intsAttribute(node, "axes")) ?? [];
    return [tensor64(unsqueezed(x.shape, axes, 1), x.data, x.dtype)];
  },
  /** Resize's predecessor (opset 9): scales, nearest, asymmetric, floor. */
  Upsample: (inputs, node) => {
    const scales = inputs[1] ? Array.from(inputs[1].data) : [...(attribute(node, "scales", "floats") ?? [])];
    return [resizeNearest(required(inputs, 0, node), scales, undefined, node)];
  },
};
