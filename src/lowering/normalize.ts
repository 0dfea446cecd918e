import { elementCount } from "../core/named-arrays.js";
import { floatAttribute, intAttribute, intsAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { axesOf, axisAttribute } from "../graph/operator/checks.js";
import type { Constant } from "./constants.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";
import { operandOf, repeated } from "./operands.js";
import { type Rows, rowsAlong } from "./rows.js";
import { extents, type Tensor } from "./step.js";
import { placeOf } from "./strided.js";

/** As the kernel normalize_forward counts them. */
const [standard, rootMeanSquare, norm1, norm2] = [0, 1, 2, 3];

interface Normalization {
  readonly operation: number;
  readonly epsilon: number;
  /** Scale and shift, `width / run` numbers for each of `groups` rows in turn. */
  readonly scale?: Tensor | Constant;
  readonly bias?: Tensor | Constant;
  readonly groups?: number;
  readonly run?: number;
}

/** LayerNormalization and RMSNormalization: over all axes from one on. */
export function lowerLayerNormalization(lowering: Lowering, node: GraphNode): void {
  const { length: rank } = lowering.shapeOf(node.inputs[0]!);
  const axis = axisAttribute(lowering.context(node), "axis", -1, rank);
  const rows = rowsAlong(
    lowering,
    node,
    Array.from({ length: rank - axis }, (_, i) => axis + i),
  );
  const epsilon = floatAttribute(node, "epsilon", 1e-5);
  // Mean and InvStdDev, before the rows may be overwritten.
  node.outputs.slice(1).forEach((name, i) => {
    if (lowering.graph.uses.has(name)) emitStatistic(lowering, node, rows, epsilon, name, i + 1);
  });
  emitNormalization(lowering, node, rows, {
    operation: node.op === "LayerNormalization" ? standard : rootMeanSquare,
    epsilon,
    ...coefficients(lowering, node, rows.input.shape.slice(axis)),
  });
}

/** One number a row: its mean (1), or 1 / √(variance + epsilon) (2). */
function emitStatistic(
  lowering: Lowering,
  node: GraphNode,
  { input, rows, width: n }: Rows,
  epsilon: number,
  name: string,
  statistic: number,
): void {
  const output = lowering.createRowMajor(name, lowering.shapeOf(name));
  const sizes = { rows, n, groups: 1, run: 1, operation: standard, epsilon, statistic };
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "normalize",
    reads: [input],
    output,
    calls: (at) => [
      {
        kernel: "normalize_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), scale: 0, bias: 0, ...sizes },
      },
    ],
  });
  lowering.define(name, output);
}

/** Scale and shift as they broadcast to one row. */
function coefficients(
  lowering: Lowering,
  node: GraphNode,
  row: readonly number[],
): Pick<Normalization, "scale" | "bias"> {
  const read = (name: string | undefined): Tensor | Constant | undefined => {
    if (!name) return undefined;
    const operand = operandOf(lowering, node, name, Math.max(row.length, lowering.shapeOf(name).length), false);
    const outer = operand.shape.slice(0, operand.shape.length - row.length);
    if (outer.some((size) => size !== 1)) throw lacking(node, `coefficients of [${row}]`, `[${operand.shape}]`);
    const own = { shape: operand.shape.slice(outer.length), source: operand.source };
    return repeated(lowering, node, own, row, "row-major").source;
  };
  const [scale, bias] = [read(node.inputs[1]), read(node.inputs[2])];
  return { ...(scale && { scale }), ...(bias && { bias }) };
}

/** InstanceNormalization: each channel of each image by itself. */
export function lowerInstanceNormalization(lowering: Lowering, node: GraphNode): void {
  const shape = lowering.shapeOf(node.inputs[0]!);
  const { channels, positions } = extents(shape);
  byGroups(lowering, node, channels, positions);
}

/** GroupNormalization: groups of channels of each image; scale and shift are one a group in version 18, one a channel since. */
export function lowerGroupNormalization(lowering: Lowering, node: GraphNode): void {
  const { channels, positions } = extents(lowering.shapeOf(node.inputs[0]!));
  const groups = intAttribute(node, "num_groups", 1);
  const perGroup = lowering.context(node).version < 21;
  byGroups(lowering, node, groups, perGroup ? (channels / groups) * positions : positions);
}

function byGroups(lowering: Lowering, node: GraphNode, groups: number, run: number): void {
  const x = lowering.rowMajor(lowering.tensor(node.inputs[0]!, node));
  const output = lowering.createRowMajor(node.outputs[0]!, x.shape);
  const rows = x.shape[0]! * groups;
  const [scale, bias] = [node.inputs[1]!, node.inputs[2]!].map(
    (name) => operandOf(lowering, node, name, 1, false).source,
  ) as [Tensor | Constant, Tensor | Constant];
  const parts = { input: x, output, rows, width: elementCount(x.shape) / rows, finish: () => output };
  const epsilon = floatAttribute(node, "epsilon", 1e-5);
  emitNormalization(lowering, node, parts, { operation: standard, epsilon, scale, bias, groups, run });
}

/** LpNormalization: numbers along an axis by their sum of magnitudes or their length. */
export function lowerLpNormalization(lowering: Lowering, node: GraphNode): void {
  const { length: rank } = lowering.shapeOf(node.inputs[0]!);
  const rows = rowsAlong(lowering, node, [axisAttribute(lowering.context(node), "axis", -1, rank)]);
  const operation = intAttribute(node, "p", 2) === 1 ? norm1 : norm2;
  emitNormalization(lowering, node, rows, { operation, epsilon: 0 });
}

/** MeanVarianceNormalization: (x − mean) / (deviation + 1e-9), where the deviation is not 0 the same as √(variance + 1e-18). */
export function lowerMeanVarianceNormalization(lowering: Lowering, node: GraphNode): void {
  const { length: rank } = lowering.shapeOf(node.inputs[0]!);
  const axes = axesOf(lowering.context(node), intsAttribute(node, "axes") ?? [0, 2, 3], rank);
  const rows = rowsAlong(
    lowering,
    node,
    axes.toSorted((a, b) => a - b),
  );
  emitNormalization(lowering, node, rows, { operation: standard, epsilon: 1e-18 });
}

function emitNormalization(lowering: Lowering, node: GraphNode, parts: Rows, normalization: Normalization): void {
  const { input, output, rows, width: n, finish } = parts;
  const { operation, epsilon, scale, bias, groups = 1, run = 1 } = normalization;
  const operands = [scale, bias].filter((source) => source !== undefined);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "normalize",
    reads: [input, ...operands.flatMap((source) => ("buffer" in source ? [source] : []))],
    output,
    // Not where it is its own scale or shift too.
    mayOverwrite: operands.some((source) => "buffer" in source && source.buffer === input.buffer) ? [] : [input],
    constants: operands.flatMap((source) => ("buffer" in source ? [] : [source])),
    calls: (at) => {
      const pointers = { scale: scale ? placeOf(scale, at) : 0, bias: bias ? placeOf(bias, at) : 0 };
      const operands = { x: at.of(input.buffer), y: at.of(output.buffer), ...pointers };
      const sizes = { rows, n, groups, run, operation, epsilon, statistic: 0 };
      return [{ kernel: "normalize_forward", args: { ...operands, ...sizes } }];
    },
  });
  lowering.define(node.outputs[0]!, finish());
}

/** LRN: channels by the squares of their neighbours. */
export function lowerLocalResponse(lowering: Lowering, node: GraphNode): void {
  const { input, output, rows, width: channels, finish } = rowsAlong(lowering, node, [1]);
  const size = intAttribute(node, "size", 1);
  const [before, behind] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const alpha = floatAttribute(node, "alpha", 1e-4) / size;
  const [beta, bias] = [floatAttribute(node, "beta", 0.75), floatAttribute(node, "bias", 1)];
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "local_response",
    reads: [input],
    output,
    calls: (at) => [
      {
        kernel: "local_response_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), rows, channels, before, behind, alpha, beta, bias },
      },
    ],
  });
  lowering.define(node.outputs[0]!, finish());
}
