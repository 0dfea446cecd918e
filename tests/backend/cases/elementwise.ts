import type { KernelName } from "#repvgg/backend/kernels.generated.js";
import { build, flags, type KernelCase, lengths, random } from "./case.js";

interface Elementwise {
  readonly kernel: KernelName;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly scalars?: Readonly<Record<string, number>>;
  readonly accumulates?: boolean;
  readonly range?: readonly [low: number, high: number];
  readonly value: (inputs: readonly number[], before: number) => number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const kernels: readonly Elementwise[] = [
  { kernel: "fill", inputs: [], output: "y", scalars: { value: -0.3 }, value: () => Math.fround(-0.3) },
  { kernel: "copy", inputs: ["x"], output: "y", value: ([x]) => x! },
  { kernel: "add", inputs: ["a", "b"], output: "y", value: ([a, b]) => a! + b! },
  { kernel: "axpy", inputs: ["x"], output: "y", scalars: { alpha: 0.75 }, value: ([x], before) => before + 0.75 * x! },
  { kernel: "scale", inputs: ["x"], output: "y", scalars: { alpha: -1.5 }, value: ([x]) => -1.5 * x! },
  { kernel: "multiply", inputs: ["a", "b"], output: "y", accumulates: true, value: ([a, b]) => a! * b! },
  { kernel: "relu_forward", inputs: ["x"], output: "y", value: ([x]) => Math.max(0, x!) },
  {
    kernel: "relu_backward",
    inputs: ["y", "dy"],
    output: "dx",
    accumulates: true,
    value: ([y, dy]) => (y! > 0 ? dy! : 0),
  },
  { kernel: "sigmoid_forward", inputs: ["x"], output: "y", range: [-30, 30], value: ([x]) => sigmoid(x!) },
  {
    kernel: "sigmoid_backward",
    inputs: ["y", "dy"],
    output: "dx",
    accumulates: true,
    value: ([y, dy]) => dy! * y! * (1 - y!),
  },
  {
    kernel: "clip_forward",
    inputs: ["x"],
    output: "y",
    scalars: { low: -0.25, high: 0.5 },
    value: ([x]) => Math.min(0.5, Math.max(-0.25, x!)),
  },
  {
    kernel: "leaky_relu_forward",
    inputs: ["x"],
    output: "y",
    scalars: { alpha: 0.125 },
    value: ([x]) => (x! < 0 ? 0.125 * x! : x!),
  },
  {
    kernel: "swish_forward",
    inputs: ["x"],
    output: "y",
    scalars: { alpha: 1 },
    range: [-30, 30],
    value: ([x]) => x! * sigmoid(x!),
  },
  ...[0, 1].map(
    (gated): Elementwise => ({
      kernel: "hard_sigmoid_forward",
      inputs: ["x"],
      output: "y",
      scalars: { alpha: 0.25, beta: 0.5, gated },
      range: [-4, 4],
      value: ([x]) => Math.min(1, Math.max(0, 0.25 * x! + 0.5)) * (gated ? x! : 1),
    }),
  ),
];

export const elementwiseCases: readonly KernelCase[] = kernels.flatMap((k) =>
  lengths.flatMap((n) =>
    (k.accumulates ? flags : [0]).map((accumulate): KernelCase => {
      const inputs = k.inputs.map((_, i) => random(n + i, n, ...(k.range ?? [-1, 1])));
      const before = random(n + 9, n);
      const after = build(n, (i) => {
        const value = k.value(
          inputs.map((input) => input[i]!),
          before[i]!,
        );
        return accumulate ? before[i]! + value : value;
      });
      return {
        kernel: k.kernel,
        title: `n = ${n}${k.accumulates ? `, accumulate ${accumulate}` : ""}`,
        scalars: { n, ...k.scalars, ...(k.accumulates ? { accumulate } : {}) },
        inputs: Object.fromEntries(k.inputs.map((name, i) => [name, inputs[i]!])),
        outputs: { [k.output]: { before, after, relative: 4e-7, absolute: 2e-7 } },
      };
    }),
  ),
);
