import { build, type KernelCase, random } from "./case.js";

const operations: readonly ((a: number, b: number) => number)[] = [
  (a, b) => a + b,
  (a, b) => a - b,
  (a, b) => a * b,
  (a, b) => a / b,
  Math.max,
  Math.min,
  (a, b) => (a < 0 ? a * b : a),
];

type Sizes = readonly [number, number, number, number];

/** Sizes of the result and, for each operand, the axes along which it has one element only. */
const forms: readonly { readonly sizes: Sizes; readonly a: readonly number[]; readonly b: readonly number[] }[] = [
  { sizes: [1, 1, 1, 1], a: [], b: [] },
  { sizes: [2, 3, 5, 7], a: [], b: [0, 1, 2] },
  { sizes: [2, 3, 5, 7], a: [3], b: [0, 2] },
  { sizes: [3, 1, 40, 17], a: [0, 3], b: [2] },
  { sizes: [2, 2, 3000, 9], a: [], b: [1, 2, 3] },
  { sizes: [1, 1, 2, 20_001], a: [2], b: [0, 1, 2, 3] },
];

function operand(sizes: Sizes, repeated: readonly number[]) {
  const own = sizes.map((size, axis) => (repeated.includes(axis) ? 1 : size));
  const steps = own.map((size, axis) => (size === 1 ? 0 : own.slice(axis + 1).reduce((x, y) => x * y, 1)));
  const length = own.reduce((x, y) => x * y, 1);
  return { steps, length };
}

export const broadcastCases: readonly KernelCase[] = forms.flatMap(({ sizes, a, b }) =>
  operations.map((f, operation): KernelCase => {
    const [first, second] = [operand(sizes, a), operand(sizes, b)];
    const [x, z] = [random(1, first.length), random(2, second.length, 0.5, 1.5)];
    const size = sizes.reduce((p, q) => p * q, 1);
    const at = (i: number, steps: readonly number[]): number => {
      let [rest, offset] = [i, 0];
      for (let axis = 3; axis >= 0; axis--) {
        offset += (rest % sizes[axis]!) * steps[axis]!;
        rest = Math.floor(rest / sizes[axis]!);
      }
      return offset;
    };
    const named = (prefix: string, values: readonly number[]) =>
      Object.fromEntries(values.map((value, axis) => [`${prefix}${axis}`, value]));
    return {
      kernel: "broadcast_forward",
      title: `[${sizes}], operation ${operation}`,
      scalars: {
        operation,
        ...named("size", sizes),
        ...named("a_step", first.steps),
        ...named("b_step", second.steps),
      },
      inputs: { a: x, b: z },
      outputs: {
        y: {
          before: random(3, size),
          after: build(size, (i) => f(x[at(i, first.steps)]!, z[at(i, second.steps)]!)),
          relative: 2e-7,
          absolute: 1e-7,
        },
      },
    };
  }),
);
