import type { KernelCall } from "../backend/backend.js";
import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, floatAttribute, intsAttribute } from "../graph/attributes.js";
import { stridesOf } from "../graph/evaluate/tensor64.js";
import type { GraphNode } from "../graph/graph.js";
import { broadcastShapes } from "../graph/shapes.js";
import { type Axis, collapsed } from "./axes.js";
import type { Lowering } from "./context.js";
import { lowerLinear } from "./convolution.js";
import { type Operand, operandsOfStep, rowMajorOperand } from "./operands.js";
import { placeOf } from "./strided.js";
import { refuseWhole } from "./whole-numbers.js";

/** A value seen through strides: sizes of its axes, and words from one element to the next along each. */
interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** An operand of a product with the words from one row and from one column to the next. */
interface Factor {
  readonly operand: Operand;
  readonly row: number;
  readonly column: number;
}

/** y = alpha · a·b + beta · c for many matrices at once. */
interface Products {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  /** Of the leading axes, with the words of a, b and y from one to the next. */
  readonly axes: readonly Axis[];
  readonly a: Factor;
  readonly b: Factor;
  readonly c?: Factor;
  readonly yRow: number;
  readonly alpha: number;
  readonly beta: number;
}

/**
 * [..., m, k] · [..., k, n] of two operands of any rank, the leading axes broadcast; a vector is a row on the left, a column on the right.
 * What fusion has put into the node (plan/products.ts) is done on the way.
 */
export function lowerMatMul(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  refuseWhole(lowering, node, 0);
  if (isLinear(lowering, node)) {
    lowering.define(value, lowerLinear(lowering, node));
    return;
  }
  const [a, b] = [rowMajorOperand(lowering, node, 0), rowMajorOperand(lowering, node, 1)];
  const addend = node.inputs[2] ? rowMajorOperand(lowering, node, 2) : undefined;
  const left = asMatrices(viewOf(a.shape, intsAttribute(node, "a_axes")), "row");
  const right = asMatrices(viewOf(b.shape, intsAttribute(node, "b_axes")), "column");
  const [m, depth] = left.shape.slice(-2) as [number, number];
  const columns = right.shape.at(-1)!;
  const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2)) as number[];
  const y = resultStrides([...batch, m, columns], intsAttribute(node, "y_axes"));
  const axes = batch.map((size, axis): Axis => {
    const step = ({ shape, strides }: View): number => {
      const own = axis - batch.length + shape.length - 2;
      return own < 0 || shape[own] === 1 ? 0 : strides[own]!;
    };
    return { size, steps: [step(left), step(right), y[axis]!] };
  });
  // Rows of products that share their right side are rows of one product.
  const rowAxis: Axis = { size: m, steps: [left.strides.at(-2)!, 0, y.at(-2)!] };
  const all = collapsed([...axes, rowAxis]);
  const last = all.at(-1);
  const joined = last && m > 1 && last.size > m;
  emitProducts(lowering, node, {
    ...{ rows: joined ? last.size : m, depth, columns },
    axes: joined ? all.slice(0, -1) : collapsed(axes),
    a: { operand: a, row: left.strides.at(-2)!, column: left.strides.at(-1)! },
    b: { operand: b, row: right.strides.at(-2)!, column: right.strides.at(-1)! },
    ...(addend && { c: { operand: addend, row: 0, column: 1 } }),
    ...{ yRow: y.at(-2)!, alpha: 1, beta: 1 },
  });
}

/** A computed value times one constant matrix: a convolution of its rows, whose weights are packed once. */
function isLinear(lowering: Lowering, node: GraphNode): boolean {
  const weight = lowering.graph.constants.get(node.inputs[1]!)?.shape;
  if (!weight || weight.length < 2 || lowering.graph.constants.has(node.inputs[0]!)) return false;
  return elementCount(weight.slice(0, -2)) === 1;
}

function viewOf(shape: readonly number[], axes: readonly number[] | undefined): View {
  const strides = stridesOf(shape);
  if (!axes) return { shape, strides };
  return { shape: axes.map((axis) => shape[axis]!), strides: axes.map((axis) => strides[axis]!) };
}

/** A vector as a matrix of one row or column, whose other stride counts nothing. */
function asMatrices({ shape, strides }: View, vector: "row" | "column"): View {
  if (shape.length > 1) return { shape, strides };
  return vector === "row"
    ? { shape: [1, shape[0]!], strides: [shape[0]!, 1] }
    : { shape: [shape[0]!, 1], strides: [1, 1] };
}

/** Words from one element to the next of a result that is written transposed. */
function resultStrides(shape: readonly number[], axes: readonly number[] | undefined): readonly number[] {
  if (!axes) return stridesOf(shape);
  const strides = stridesOf(axes.map((axis) => shape[axis]!));
  return shape.map((_, axis) => strides[axes.indexOf(axis)]!);
}

/** Gemm in forms that are no convolution: A transposed, B or C computed, C a matrix or a column. */
export function lowerGemm(lowering: Lowering, node: GraphNode): void {
  refuseWhole(lowering, node, 0);
  const factor = (input: number, attribute: string): Factor => {
    const operand = rowMajorOperand(lowering, node, input);
    const width = operand.shape[1]!;
    const transposed = flagAttribute(node, attribute, false);
    return transposed ? { operand, row: 1, column: width } : { operand, row: width, column: 1 };
  };
  const a = factor(0, "transA");
  const b = factor(1, "transB");
  const [rows, columns] = lowering.shapeOf(node.outputs[0]!) as [number, number];
  const depth = elementCount(a.operand.shape) / rows;
  const beta = floatAttribute(node, "beta", 1);
  const c = node.inputs[2] && beta !== 0 ? rowMajorOperand(lowering, node, 2) : undefined;
  const [height, width] = c ? [...Array<number>(2 - c.shape.length).fill(1), ...c.shape] : [];
  emitProducts(lowering, node, {
    ...{ rows, depth, columns, axes: [], a, b, yRow: columns },
    ...(c && { c: { operand: c, row: height === 1 ? 0 : width!, column: width === 1 ? 0 : 1 } }),
    ...{ alpha: floatAttribute(node, "alpha", 1), beta },
  });
}

function emitProducts(lowering: Lowering, node: GraphNode, products: Products): void {
  const { rows, depth, columns, a, b, c, yRow, alpha, beta } = products;
  const value = node.outputs[0]!;
  const output = lowering.createRowMajor(value, lowering.shapeOf(value));
  const one: Axis = { size: 1, steps: [0, 0, 0] };
  // The kernel has two leading axes: others are calls.
  const outer = products.axes.slice(0, -2);
  const [d0, d1] = [one, one, ...products.axes].slice(-2) as [Axis, Axis];
  const sizes = {
    ...{ batch0: d0.size, batch1: d1.size, rows, depth, columns },
    ...{ a_step0: d0.steps[0]!, a_step1: d1.steps[0]!, a_row: a.row, a_column: a.column },
    ...{ b_step0: d0.steps[1]!, b_step1: d1.steps[1]!, b_row: b.row, b_column: b.column },
    ...{ c_step0: 0, c_step1: 0, c_row: c?.row ?? 0, c_column: c?.column ?? 0 },
    ...{ y_step0: d0.steps[2]!, y_step1: d1.steps[2]!, y_row: yRow },
    ...{ alpha, beta, relu: 0 },
  };
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "matmul",
    macs: elementCount(output.shape) * depth,
    ...operandsOfStep([a.operand, b.operand, ...(c ? [c.operand] : [])]),
    output,
    calls: (at) => {
      const x = {
        a: placeOf(a.operand.source, at),
        b: placeOf(b.operand.source, at),
        c: c ? placeOf(c.operand.source, at) : 0,
      };
      const y = at.of(output.buffer);
      return offsets(outer).map(
        ([stepA, stepB, stepY]): KernelCall => ({
          kernel: "matmul_forward",
          args: { a: x.a + stepA, b: x.b + stepB, c: x.c, y: y + stepY, ...sizes },
        }),
      );
    },
  });
  lowering.define(value, output);
}

type Offsets = readonly [a: number, b: number, y: number];

/** Where each index of the axes stands in both operands and the result, in order. */
function offsets(axes: readonly Axis[]): readonly Offsets[] {
  return axes.reduce<readonly Offsets[]>(
    (all, { size, steps }) =>
      all.flatMap(([a, b, y]) =>
        Array.from({ length: size }, (_, i): Offsets => [a + i * steps[0]!, b + i * steps[1]!, y + i * steps[2]!]),
      ),
    [[0, 0, 0]],
  );
}
