import { flagAttribute, intAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64, zeros } from "../graph/evaluate/tensor64.js";
import { choice, ranked, sameSize } from "../graph/operator/checks.js";
import {
  describe,
  type NodeCall,
  type NodeContext,
  type Operator,
  refuse,
  type Shape,
} from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";

type Gate = (x: number) => number;

const functions: Readonly<Record<string, Gate>> = {
  relu: (x) => Math.max(0, x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};

/** What one time step does with the gates' sums. */
interface Cell {
  readonly gates: number;
  readonly activations: readonly string[];
  /**
   * New state and cell at one place of the hidden layer.
   * @param x each gate's X·Wᵀ + Wb, `h` each one's H·Rᵀ + Rb, `p` the peepholes'
   */
  step(
    sums: { readonly x: readonly number[]; readonly h: readonly number[]; readonly p: readonly number[] },
    before: { readonly h: number; readonly c: number },
    f: readonly Gate[],
  ): { readonly h: number; readonly c: number };
}

const rnn: Cell = {
  gates: 1,
  activations: ["Tanh"],
  step: ({ x, h }, _, [f]) => ({ h: f(x[0] + h[0]), c: 0 }),
};

/** Gates i, o, f, c. */
const lstm: Cell = {
  gates: 4,
  activations: ["Sigmoid", "Tanh", "Tanh"],
  step({ x, h, p }, { c }, [f, g, last]) {
    const [input, forget] = [0, 2].map((gate) => f(x[gate] + h[gate] + p[gate] * c));
    const cell = forget * c + input * g(x[3] + h[3]);
    return { h: f(x[1] + h[1] + p[1] * cell) * last(cell), c: cell };
  },
};

/** Gates z, r, h; with linear_before_reset. The other form multiplies before the product and is made of two passes. */
const gru: Cell = {
  gates: 3,
  activations: ["Sigmoid", "Tanh"],
  step({ x, h }, before, [f, g]) {
    const update = f(x[0] + h[0]);
    return { h: (1 - update) * g(x[2] + h[2]) + update * before.h, c: 0 };
  },
};

const directionsOf = (context: NodeContext): number =>
  choice(context, "direction", ["forward", "reverse", "bidirectional"], "forward") === "bidirectional" ? 2 : 1;

/** @throws ShapeError for what is not read: other layouts, clipping, coupled gates, functions with parameters. */
function checkForm(context: NodeContext, cell: Cell): readonly Gate[] {
  const { node } = context;
  for (const name of ["layout", "input_forget"])
    if (flagAttribute(node, name, false)) refuse(context, `${name} 0`, "another");
  for (const name of ["clip", "activation_alpha", "activation_beta"])
    if (node.attributes[name]) refuse(context, `no ${name}`, name);
  const count = directionsOf(context) * cell.activations.length;
  const stated = node.attributes.activations;
  const names =
    stated?.type === "strings" && stated.value.length > 0
      ? stated.value
      : Array.from({ length: count }, (_, i) => cell.activations[i % cell.activations.length]);
  if (names.length !== count) refuse(context, `${count} activations`, `${names.length}`);
  return names.map((name) => functions[name.toLowerCase()] ?? refuse(context, "activations Relu, Sigmoid, Tanh", name));
}

/** A parameter [directions, …sizes]. */
function parameter(
  context: NodeContext,
  place: number,
  name: string,
  sizes: readonly (number | string | undefined)[],
): void {
  const shape = ranked(context, place, [sizes.length], `${name} of ${sizes.length} axes`);
  for (const [axis, size] of sizes.entries())
    if (shape) sameSize(context, `${name} along axis ${axis}`, size, shape[axis]);
}

function inferred(context: NodeContext, cell: Cell): readonly (Shape | undefined)[] {
  checkForm(context, cell);
  const x = ranked(context, 0, [3], "a sequence [length, batch, features]");
  const r = ranked(context, 2, [3], "R [directions, gates × hidden, hidden]");
  const hidden = r?.[2];
  const directions = directionsOf(context);
  const stated = intAttribute(context.node, "hidden_size", 0);
  if (stated > 0) sameSize(context, "a hidden layer (hidden_size)", stated, hidden);
  const rows = typeof hidden === "number" ? cell.gates * hidden : undefined;
  parameter(context, 1, "W", [directions, rows, x?.[2]]);
  parameter(context, 2, "R", [directions, rows, hidden]);
  parameter(context, 3, "B", [directions, rows && 2 * rows]);
  parameter(context, 4, "sequence_lens", [x?.[1]]);
  const states = cell === lstm ? [5, 6] : [5];
  for (const place of states) parameter(context, place, "an initial state", [directions, x?.[1], hidden]);
  if (cell === lstm) parameter(context, 7, "P", [directions, typeof hidden === "number" ? 3 * hidden : undefined]);
  const state = x && hidden !== undefined ? [directions, x[1], hidden] : undefined;
  return context.node.outputs.map((_, i) => (i === 0 ? x && state && [x[0], ...state] : state));
}

function evaluated(call: NodeCall, cell: Cell): readonly Tensor64[] {
  const [x, w, r, bias, lengths, initialH, initialC, peephole] = call.inputs;
  const [length, batch, features] = x!.shape;
  const [directions, rows, hidden] = r!.shape;
  if (lengths?.data.some((each) => each !== length))
    refuse(call, `sequences of one length (${length})`, describe(Array.from(lengths.data)));
  const f = checkForm(call, cell);
  const perDirection = cell.activations.length;
  const reversed = choice(call, "direction", ["forward", "reverse", "bidirectional"], "forward") === "reverse";
  const separate = cell === gru && !flagAttribute(call.node, "linear_before_reset", false);
  const all = zeros([length, directions, batch, hidden]);
  const [lastH, lastC] = [zeros([directions, batch, hidden]), zeros([directions, batch, hidden])];
  const dot = (left: Float64Array, from: number, right: ArrayLike<number>, at: number, count: number): number => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += left[from + i] * right[at + i];
    return sum;
  };
  for (let d = 0; d < directions; d++) {
    const own = f.slice(d * perDirection, (d + 1) * perDirection);
    const offset = (gate: number, j: number, recurrent: boolean): number =>
      bias?.data[d * 2 * rows + (recurrent ? rows : 0) + gate * hidden + j] ?? 0;
    for (let n = 0; n < batch; n++) {
      const at = (d * batch + n) * hidden;
      let h = initialH ? initialH.data.slice(at, at + hidden) : new Float64Array(hidden);
      let c = cell === lstm && initialC ? initialC.data.slice(at, at + hidden) : new Float64Array(hidden);
      for (let step = 0; step < length; step++) {
        const t = reversed || d === 1 ? length - 1 - step : step;
        const gates = Array.from({ length: cell.gates }, (_, gate) => gate);
        const input = (gate: number, j: number): number =>
          dot(w!.data, (d * rows + gate * hidden + j) * features, x!.data, (t * batch + n) * features, features) +
          offset(gate, j, false);
        const recurrent = (gate: number, j: number, state: ArrayLike<number>): number =>
          dot(r!.data, (d * rows + gate * hidden + j) * hidden, state, 0, hidden) + offset(gate, j, true);
        // A GRU's reset gate r = f(…) of every place: it is needed before the last gate's product, or behind it.
        const reset =
          cell === gru ? Float64Array.from(h, (_, j) => own[0](input(1, j) + recurrent(1, j, h))) : undefined;
        const scaled = reset && h.map((value, j) => reset[j] * value);
        const next = Array.from(h, (before, j) => {
          const hs = gates.map((gate) => recurrent(gate, j, separate && gate === 2 ? scaled! : h));
          if (reset && !separate) hs[2] *= reset[j];
          const p = gates.map((gate) => (gate < 3 ? (peephole?.data[d * 3 * hidden + gate * hidden + j] ?? 0) : 0));
          return cell.step({ x: gates.map((gate) => input(gate, j)), h: hs, p }, { h: before, c: c[j] }, own);
        });
        h = Float64Array.from(next, (place) => place.h);
        c = Float64Array.from(next, (place) => place.c);
        all.set(h, ((t * directions + d) * batch + n) * hidden);
      }
      lastH.set(h, at);
      lastC.set(c, at);
    }
  }
  const state = [directions, batch, hidden];
  const outputs = [
    tensor64([length, ...state], all, x!.dtype),
    tensor64(state, lastH, x!.dtype),
    tensor64(state, lastC, x!.dtype),
  ];
  return outputs.slice(0, Math.max(1, call.node.outputs.length));
}

const common = "X:T W:T R:T B?:T sequence_lens?:i32 initial_h?:T";
const short = signature(`${common} -> Y?:T Y_h?:T`, { T: floats });
const long = signature(`${common} initial_c?:T P?:T -> Y?:T Y_h?:T Y_c?:T`, { T: floats });

/** Layers over time: one step after the other, by their equations (onnx/docs/Operators.md). */
export const recurrentOperators: readonly Operator[] = (
  [
    ["GRU", gru, short],
    ["LSTM", lstm, long],
    ["RNN", rnn, short],
  ] as const
).map(
  ([name, cell, own]): Operator => ({
    name,
    versions: [7, 14, 22],
    signature: () => own,
    infer: (context) => inferred(context, cell),
    evaluate: (call) => evaluated(call, cell),
  }),
);
