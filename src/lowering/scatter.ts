import { elementCount, toFloat64 } from "../core/named-arrays.js";
import { intAttribute, stringAttribute } from "../graph/attributes.js";
import { stridesOf } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import { refuse } from "../graph/operator/operator.js";
import { indexIn } from "../operators/gather.js";
import { plainConstant } from "./constants.js";
import type { Lowering } from "./context.js";
import { type Operand, operandsOfStep, rowMajorOperand } from "./operands.js";
import type { Step } from "./step.js";
import { placeOf } from "./strided.js";
import { refuseWhole } from "./whole-numbers.js";

/** Elements whose places a float32 counts. */
const mostPlaces = 2 ** 24;

/** Rows of a flattened value by number. */
interface Rows {
  readonly rows: number;
  readonly inner: number;
  /** Which row each index means: computed, or constants known by now. */
  readonly places: Operand;
}

/** GatherND by constant indices, or by computed ones of the first axis. */
export function lowerGatherND(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const x = rowMajorOperand(lowering, node, 0);
  const shape = context.shape(1) as readonly number[];
  const batch = intAttribute(node, "batch_dims", 0);
  const depth = shape.at(-1)!;
  const strides = stridesOf(x.shape);
  const inner = elementCount(x.shape.slice(batch + depth));
  const rows = elementCount(x.shape) / inner;
  const places =
    batch === 0 && depth === 1
      ? rowPlaces(lowering, node)
      : constantPlaces(lowering, node, shape.slice(0, -1), (index, values, own) => {
          const first = dot(index, own);
          const full = index.slice(0, batch);
          for (let j = 0; j < depth; j++) full.push(indexIn(context, values[first + j]!, x.shape[batch + j]!));
          return dot(full, strides) / inner;
        });
  checkCount(lowering, node, rows);
  const value = node.outputs[0]!;
  const output = lowering.createRowMajor(value, lowering.shapeOf(value));
  const sizes = { outer: 1, size: rows, inner, count: elementCount(places.shape) };
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "gather",
    ...operandsOfStep([x, places]),
    output,
    ...refusalOf(node, places, rows),
    calls: (at) => [
      {
        kernel: "gather_forward",
        args: {
          ...{ x: placeOf(x.source, at), y: at.of(output.buffer), status: at.status },
          ...{ indices: placeOf(places.source, at), ...sizes },
        },
      },
    ],
  });
  lowering.define(value, output);
}

/** Indices of rows, as they are where they are computed. */
function rowPlaces(lowering: Lowering, node: GraphNode): Operand {
  if (!lowering.graph.constants.has(node.inputs[1]!)) return rowMajorOperand(lowering, node, 1);
  const context = lowering.context(node);
  const [x, shape] = [context.shape(0), context.shape(1)] as [readonly number[], readonly number[]];
  return constantPlaces(lowering, node, shape, (index, values, own) =>
    indexIn(context, values[dot(index, own)]!, x[0]!),
  );
}

/** What a step says when it meets a computed index that is none. */
function refusalOf(
  node: GraphNode,
  places: Operand,
  rows: number,
): { readonly refusal?: NonNullable<Step["refusal"]> } {
  if (!("buffer" in places.source)) return {};
  const expected = `indices from ${-rows} to ${rows - 1} in node "${node.name}" (${node.op})`;
  return { refusal: { expected, received: "others among those that were computed" } };
}

/** As the kernel scatter_forward counts them. */
const reductions = ["none", "add", "mul", "max", "min"];

/** ScatterElements (and Scatter, its old name) by constant indices, or along the only axis by computed ones. */
export function lowerScatterElements(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const x = lowering.shapeOf(node.inputs[0]!);
  const shape = context.shape(1) as readonly number[];
  const strides = stridesOf(x);
  const axis = axisAttribute(context, "axis", 0, x.length);
  const places =
    x.length === 1
      ? rowPlaces(lowering, node)
      : constantPlaces(lowering, node, shape, (index, values, own) => {
          const full = index.with(axis, indexIn(context, values[dot(index, own)]!, x[axis]!));
          return dot(full, strides);
        });
  scatterRows(lowering, node, { rows: elementCount(x), inner: 1, places });
}

/** ScatterND by constant indices, or by computed ones of the first axis. */
export function lowerScatterND(lowering: Lowering, node: GraphNode): void {
  const context = lowering.context(node);
  const x = lowering.shapeOf(node.inputs[0]!);
  const shape = context.shape(1) as readonly number[];
  const depth = shape.at(-1)!;
  const inner = elementCount(x.slice(depth));
  const places =
    depth === 1
      ? rowPlaces(lowering, node)
      : constantPlaces(lowering, node, shape.slice(0, -1), (index, values, own) => {
          const first = dot(index, own);
          let row = 0;
          for (let j = 0; j < depth; j++) row = row * x[j]! + indexIn(context, values[first + j]!, x[j]!);
          return row;
        });
  scatterRows(lowering, node, { rows: elementCount(x) / inner, inner, places });
}

function scatterRows(lowering: Lowering, node: GraphNode, { rows, inner, places }: Rows): void {
  checkCount(lowering, node, rows);
  const [x, updates] = [rowMajorOperand(lowering, node, 0), rowMajorOperand(lowering, node, 2)];
  const operation = reductions.indexOf(stringAttribute(node, "reduction", "none"));
  if (operation === 1 || operation === 2) refuseWhole(lowering, node, 0);
  const value = node.outputs[0]!;
  const output = lowering.createRowMajor(value, lowering.shapeOf(value));
  const count = elementCount(places.shape);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "scatter",
    ...operandsOfStep([x, places, updates]),
    output,
    ...refusalOf(node, places, rows),
    calls: (at) => [
      {
        kernel: "scatter_forward",
        args: {
          ...{ x: placeOf(x.source, at), y: at.of(output.buffer), status: at.status, operation },
          ...{ indices: placeOf(places.source, at), updates: placeOf(updates.source, at), rows, inner, count },
        },
      },
    ],
  });
  lowering.define(value, output);
}

/** An index tuple's place: Σ index · stride, over as many axes as the tuple has. */
function dot(index: readonly number[], strides: readonly number[]): number {
  return index.reduce((offset, i, axis) => offset + i * strides[axis]!, 0);
}

/** For each index tuple of a constant second input, the row that it means. @throws ShapeError where the input is computed. */
function constantPlaces(
  lowering: Lowering,
  node: GraphNode,
  shape: readonly number[],
  row: (index: readonly number[], values: ArrayLike<number>, strides: readonly number[]) => number,
): Operand {
  const name = node.inputs[1]!;
  const constant = lowering.graph.constants.get(name);
  if (!constant) refuse(lowering.context(node), "constant indices", `"${name}", which is computed`);
  const values = toFloat64(constant);
  const strides = stridesOf(constant.shape);
  const own = stridesOf(shape);
  const rows = Float32Array.from({ length: elementCount(shape) }, (_, at) =>
    row(
      shape.map((size, axis) => Math.floor(at / own[axis]!) % size),
      values,
      strides,
    ),
  );
  const of = lowering.context(node).shape(0);
  return { shape, source: plainConstant(`${node.outputs[0]} places in [${of}]`, rows) };
}

function checkCount(lowering: Lowering, node: GraphNode, places: number): void {
  if (places <= mostPlaces) return;
  refuse(lowering.context(node), `at most ${mostPlaces} places, as float32 counts them`, `${places}`);
}
