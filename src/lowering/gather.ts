import { elementCount, toFloat64 } from "../core/named-arrays.js";
import type { GraphNode } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import { type Constant, plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";
import type { Step, Tensor } from "./step.js";
import { createLike, emitCopies, placeOf, stepsOf } from "./strided.js";

/** Gather along any axis. Constant indices that go on by equal steps are a slice. */
export function lowerGather(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const [data, indexName] = node.inputs as [string, string];
  const x = lowering.tensor(data, node);
  const axis = axisAttribute(lowering.context(node), "axis", 0, x.shape.length);
  const places = constantPlaces(lowering, node, indexName, x.shape[axis]!);
  const step = places && stepBetween(places);
  if (places && step !== undefined) sliced(lowering, node, x, axis, places[0]!, step);
  else lowering.define(value, picked(lowering, node, x, axis, places));
}

/** Indices from 0 on; undefined where they are computed. @throws UserError for one that is none. */
function constantPlaces(lowering: Lowering, node: GraphNode, name: string, size: number): number[] | undefined {
  const constant = lowering.graph.constants.get(name);
  if (!constant) return undefined;
  return Array.from(toFloat64(constant), (index) => {
    if (index >= -size && index < size) return index < 0 ? index + size : index;
    throw lacking(node, `indices from ${-size} to ${size - 1}`, String(index));
  });
}

function stepBetween(places: readonly number[]): number | undefined {
  const step = places.length > 1 ? places[1]! - places[0]! : 0;
  return places.every((place, i) => place === places[0]! + i * step) ? step : undefined;
}

function sliced(lowering: Lowering, node: GraphNode, x: Tensor, axis: number, first: number, step: number): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const added = shape.length - x.shape.length + 1; // axes that stand in the place of the gathered one
  const output = createLike(lowering, value, shape, x);
  const [read, written] = [stepsOf(x), stepsOf(output)];
  const inner = shape.slice(axis, axis + added);
  const axes = [
    ...x.shape.slice(0, axis).map((size, a) => ({ size, from: read[a]!, to: written[a]! })),
    ...inner.map((size, i) => ({
      size,
      from: step * read[axis]! * elementCount(inner.slice(i + 1)),
      to: written[axis + i]!,
    })),
    ...x.shape.slice(axis + 1).map((size, a) => ({
      size,
      from: read[axis + 1 + a]!,
      to: written[axis + added + a]!,
    })),
  ];
  const from = first * read[axis]!;
  lowering.define(value, emitCopies(lowering, node, output, [{ source: x, axes, from }]));
}

/** What a step says when it meets an index that is none. */
function refusalOf(node: GraphNode, size: number): NonNullable<Step["refusal"]> {
  return {
    expected: `indices from ${-size} to ${size - 1} in node "${node.name}" (${node.op})`,
    received: "others among those that were computed",
  };
}

/** Indices one by one: x [outer][size][inner] in the order of memory. */
function picked(
  lowering: Lowering,
  node: GraphNode,
  x: Tensor,
  axis: number,
  places: readonly number[] | undefined,
): Tensor {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  // Indices of one axis leave the other axes where they are, in either layout.
  const input = shape.length === x.shape.length ? x : lowering.rowMajor(x);
  const output = createLike(lowering, value, shape, input);
  const indices = places
    ? plainConstant(`${node.inputs[1]} places in ${x.shape[axis]}`, places)
    : lowering.rowMajor(lowering.tensor(node.inputs[1]!, node));
  const size = x.shape[axis]!;
  const inner = stepsOf(input)[axis]!;
  const count = places?.length ?? (indices as Tensor).buffer.words;
  const outer = elementCount(x.shape) / size / inner;
  return lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "gather",
    reads: "buffer" in indices ? [input, indices] : [input],
    output,
    constants: "buffer" in indices ? [] : [indices],
    ...("buffer" in indices && { refusal: refusalOf(node, size) }),
    calls: (at) => [
      {
        kernel: "gather_forward",
        args: {
          ...{ x: at.of(input.buffer), indices: placeOf(indices, at), y: at.of(output.buffer), status: at.status },
          ...{ outer, size, inner, count },
        },
      },
    ],
  });
}

/** GatherElements: an index for each number of the result. */
export function lowerGatherElements(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const data = lowering.tensor(node.inputs[0]!, node);
  const axis = axisAttribute(lowering.context(node), "axis", 0, shape.length);
  const size = data.shape[axis]!;
  const places = constantPlaces(lowering, node, node.inputs[1]!, size);
  const indices: Tensor | Constant = places
    ? plainConstant(`${node.inputs[1]} places in ${size}`, places)
    : lowering.rowMajor(lowering.tensor(node.inputs[1]!, node));
  const x = cropped(lowering, node, data, shape.with(axis, size));
  const output = lowering.createRowMajor(value, shape);
  const [outer, inner] = [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis + 1))];
  const count = shape[axis]!;
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "gather_elements",
    reads: "buffer" in indices ? [x, indices] : [x],
    output,
    constants: "buffer" in indices ? [] : [indices],
    ...("buffer" in indices && { refusal: refusalOf(node, size) }),
    calls: (at) => [
      {
        kernel: "gather_elements_forward",
        args: {
          ...{ x: at.of(x.buffer), indices: placeOf(indices, at), y: at.of(output.buffer), status: at.status },
          ...{ outer, size, inner, count },
        },
      },
    ],
  });
  lowering.define(value, output);
}

/** The first numbers along each axis, row-major: indices may leave out the last ones of other axes. */
function cropped(lowering: Lowering, node: GraphNode, x: Tensor, shape: readonly number[]): Tensor {
  if (`${x.shape}` === `${shape}`) return lowering.rowMajor(x);
  const output = lowering.createRowMajor(`${node.inputs[0]} (cropped)`, shape);
  const [read, written] = [stepsOf(x), stepsOf(output)];
  const axes = shape.map((size, a) => ({ size, from: read[a]!, to: written[a]! }));
  return emitCopies(lowering, node, output, [{ source: x, axes }]);
}
