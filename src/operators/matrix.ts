import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, floatAttribute } from "../graph/attributes.js";
import { broadcast, mapped } from "../graph/evaluate/broadcast.js";
import { type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { broadcastedShape, broadcastsTo, ranked, sameSize } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";
import { broadcastShapes } from "../graph/shapes.js";

const types = [...floats, "i32", "i64", "u32", "u64"] as const;

function transposed({ shape: [rows, columns], data, dtype }: Tensor64): Tensor64 {
  const result = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j];
  return tensor64([columns, rows], result, dtype);
}

/** [..., m, k] · [..., k, n] with the leading axes broadcast; vectors are rows on the left and columns on the right (numpy). */
function matMul(a: Tensor64, b: Tensor64): Tensor64 {
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m, k] = left.slice(-2);
  const n = right.at(-1)!;
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2)) as number[];
  const count = elementCount(batch);
  const result = zeros([count, m, n]);
  for (let at = 0; at < count; at++) {
    const [fromA, fromB] = [batchOffset(at, batch, left) * m * k, batchOffset(at, batch, right) * k * n];
    for (let i = 0; i < m; i++) {
      for (let l = 0; l < k; l++) {
        const factor = a.data[fromA + i * k + l];
        for (let j = 0; j < n; j++) result[(at * m + i) * n + j] += factor * b.data[fromB + l * n + j];
      }
    }
  }
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [m]), ...(b.shape.length === 1 ? [] : [n])];
  return tensor64(shape, result, a.dtype);
}

/** The matrix of `own` (its last two axes left out) that belongs to matrix `at` of the broadcast batch. */
function batchOffset(at: number, batch: readonly number[], own: readonly number[]): number {
  let offset = 0;
  let stride = 1;
  for (let axis = batch.length - 1, rest = at, o = own.length - 3; axis >= 0; axis--, o--) {
    const index = rest % batch[axis];
    rest = Math.floor(rest / batch[axis]);
    if (o < 0) break;
    offset += (own[o] === 1 ? 0 : index) * stride;
    stride *= own[o];
  }
  return offset;
}

const matMulSignature = signature("A:T B:T -> Y:T", { T: types });

export const matrixProduct: Operator = {
  name: "MatMul",
  versions: [1, 9, 13],
  signature: () => matMulSignature,
  infer(context) {
    const [a, b] = [context.shape(0), context.shape(1)];
    if (a?.length === 0 || b?.length === 0)
      refuse(context, "operands of at least one axis", `${describe(a ?? [])} and ${describe(b ?? [])}`);
    if (!a || !b) return [undefined];
    const [left, right] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
    sameSize(context, `the inner size of ${describe(a)} × ${describe(b)}`, left.at(-1), right.at(-2));
    const batch = broadcastedShape(context, left.slice(0, -2), right.slice(0, -2));
    return [[...batch, ...(a.length === 1 ? [] : [left.at(-2)!]), ...(b.length === 1 ? [] : [right.at(-1)!])]];
  },
  evaluate: ({ inputs: [a, b] }) => [matMul(a!, b!)],
};

const gemmSignature = (line: string) => signature(line, { T: types });
const withAddend = gemmSignature("A:T B:T C:T -> Y:T");
const withoutAddend = gemmSignature("A:T B:T C?:T -> Y:T");

/** [rows, inner] and [inner, columns] of a Gemm, as far as they are known. */
function factors(context: NodeContext): { readonly a: Shape | undefined; readonly b: Shape | undefined } {
  const turned = (shape: Shape | undefined, attribute: string): Shape | undefined =>
    shape && flagAttribute(context.node, attribute, false) ? shape.toReversed() : shape;
  return {
    a: turned(ranked(context, 0, [2], "a matrix as A"), "transA"),
    b: turned(ranked(context, 1, [2], "a matrix as B"), "transB"),
  };
}

/** Y = α·A·B + β·C, C broadcast to Y. */
export const gemm: Operator = {
  name: "Gemm",
  versions: [6, 7, 9, 11, 13],
  signature: (version) => (version < 11 ? withAddend : withoutAddend),
  infer(context) {
    const { a, b } = factors(context);
    if (a && b) sameSize(context, `the inner size of ${describe(a)} × ${describe(b)}`, b[0], a[1]);
    if (!a && !b) return [undefined];
    const y: Shape = [a?.[0] ?? `${context.node.outputs[0]}:0`, b?.[1] ?? `${context.node.outputs[0]}:1`];
    if (a && b) broadcastsTo(context, "C", context.shape(2), y);
    if (context.version < 7) checkOldAddend(context, y);
    return [y];
  },
  evaluate: ({ node, inputs: [a, b, c] }) => {
    const own = matMul(
      flagAttribute(node, "transA", false) ? transposed(a!) : a!,
      flagAttribute(node, "transB", false) ? transposed(b!) : b!,
    );
    const [alpha, beta] = [floatAttribute(node, "alpha", 1), floatAttribute(node, "beta", 1)];
    const scaled = mapped(own, (x) => alpha * x);
    return [c ? broadcast(scaled, c, a!.dtype, (x, y) => x + beta * y) : scaled];
  },
};

/** Below version 7, C is repeated only where attribute `broadcast` says so. */
function checkOldAddend(context: NodeContext, y: Shape): void {
  const c = context.shape(2);
  if (c && !flagAttribute(context.node, "broadcast", false) && `${c}` !== `${y}`)
    refuse(context, `C of shape ${describe(y)} (operator set below 7)`, describe(c));
}
