import { build, type KernelCase, random } from "./case.js";

interface Operation {
  readonly value: (a: number, b: number) => number;
  /** Operands, where not in [−1, 1) and [0.5, 1.5). */
  readonly a?: readonly [number, number];
  readonly b?: readonly [number, number];
  /** Operands are whole numbers. */
  readonly whole?: true;
  /** Operands to try beside random ones. */
  readonly special?: readonly (readonly [number, number])[];
}

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const few = { a: [-3, 3], b: [-3, 3], whole: true } as const;
const many = { a: [-1000, 1000], b: [1, 60], whole: true } as const;
const truth = (value: boolean): number => (value ? 1 : 0);

/** In the order of their numbers. */
const operations: readonly Operation[] = [
  { value: (a, b) => a + b },
  { value: (a, b) => a - b },
  { value: (a, b) => a * b },
  { value: (a, b) => a / b },
  { value: Math.max },
  { value: Math.min },
  { value: (a, b) => (a < 0 ? a * b : a) },
  {
    value: (a, b) => (a === 1 || b === 0 ? 1 : Math.abs(a) === 1 && Math.abs(b) === infinity ? 1 : a ** b),
    a: [0, 20],
    b: [-20, 20],
    special: [
      [-2, 3],
      [-2, 4],
      [-8, Math.fround(1 / 3)],
      [0, 0],
      [0, 2],
      [0, -2],
      [-0, -3],
      [-1, 1e30],
      [-1, -3],
      [1, nan],
      [nan, 0],
      [nan, 2],
      [-1, infinity],
      [0.5, infinity],
      [0.5, -infinity],
      [infinity, -1],
      [-infinity, 3],
      [1e-40, 0.5],
      [16777215, 1],
      [3, 30],
      [1.5, -300],
    ],
  },
  { value: (a, b) => truth(a === b), ...few, special: [[nan, nan]] },
  { value: (a, b) => truth(a > b), ...few, special: [[nan, 1]] },
  { value: (a, b) => truth(a >= b), ...few, special: [[1, nan]] },
  { value: (a, b) => truth(a !== 0 && b !== 0), ...few },
  { value: (a, b) => truth(a !== 0 || b !== 0), ...few },
  { value: (a, b) => truth((a !== 0) !== (b !== 0)), ...few },
  {
    value: (a, b) => Math.trunc(a / b),
    ...many,
    special: [
      [-7, 2],
      [7, -2],
      [16777215, 4097],
      [16777214, 16777215],
    ],
  },
  {
    value: (a, b) => a % b,
    a: [-1000, 1000],
    b: [0.1, 60],
    special: [
      [-7, 3],
      [7, -3],
      [1e30, 3],
      [3e38, 1e-30],
      [1, 0],
      [infinity, 2],
      [5, infinity],
      [nan, 1],
      [5.5, 1e-40],
    ],
  },
  {
    value: (a, b) => (a % b !== 0 && a % b < 0 !== b < 0 ? (a % b) + b : a % b),
    ...many,
    special: [
      [-7, 3],
      [7, -3],
      [-6, 3],
      [6, -3],
    ],
  },
];

function operands({ a = [-1, 1], b = [0.5, 1.5], whole, special = [] }: Operation, n: number, m: number) {
  const draw = (seed: number, length: number, [low, high]: readonly [number, number]): Float32Array => {
    const values = random(seed, length, low, high);
    return whole ? values.map(Math.floor) : values;
  };
  const [x, z] = [draw(1, n, a), draw(2, m, b)];
  // Together only where the operands are of one shape; elsewhere each meets others, which is as good.
  special.slice(0, Math.min(n, m)).forEach(([first, second], i) => {
    [x[i], z[i]] = [first, second];
  });
  return { x, z };
}

type Sizes = readonly [number, number, number, number];

/** Sizes of the result and, for each operand, the axes along which it has one element only. */
const forms: readonly { readonly sizes: Sizes; readonly a: readonly number[]; readonly b: readonly number[] }[] = [
  { sizes: [1, 1, 1, 1], a: [], b: [] },
  { sizes: [2, 3, 5, 7], a: [], b: [] },
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

function offsetOf(index: number, sizes: Sizes, steps: readonly number[]): number {
  let [rest, offset] = [index, 0];
  for (let axis = 3; axis >= 0; axis--) {
    offset += (rest % sizes[axis]!) * steps[axis]!;
    rest = Math.floor(rest / sizes[axis]!);
  }
  return offset;
}

const named = (prefix: string, values: readonly number[]) =>
  Object.fromEntries(values.map((value, axis) => [`${prefix}${axis}`, value]));

export const broadcastCases: readonly KernelCase[] = forms.flatMap(({ sizes, a, b }) =>
  operations.map((form, operation): KernelCase => {
    const [first, second] = [operand(sizes, a), operand(sizes, b)];
    const { x, z } = operands(form, first.length, second.length);
    const size = sizes.reduce((p, q) => p * q, 1);
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
          after: build(size, (i) =>
            Math.fround(form.value(x[offsetOf(i, sizes, first.steps)]!, z[offsetOf(i, sizes, second.steps)]!)),
          ),
          relative: 2e-7,
          absolute: 1e-7,
        },
      },
    };
  }),
);

export const selectCases: readonly KernelCase[] = forms.flatMap(({ sizes, a, b }) =>
  [a, b, [0], [3], []].map((repeated): KernelCase => {
    const [condition, first, second] = [operand(sizes, repeated), operand(sizes, a), operand(sizes, b)];
    const c = random(3, condition.length, -2, 2).map(Math.trunc);
    const [x, z] = [random(1, first.length), random(2, second.length)];
    const size = sizes.reduce((p, q) => p * q, 1);
    return {
      kernel: "select_forward",
      title: `[${sizes}], condition repeated along [${repeated}]`,
      scalars: {
        ...named("size", sizes),
        ...named("c_step", condition.steps),
        ...named("a_step", first.steps),
        ...named("b_step", second.steps),
      },
      inputs: { c, a: x, b: z },
      outputs: {
        y: {
          before: random(4, size),
          after: build(size, (i) =>
            c[offsetOf(i, sizes, condition.steps)] === 0
              ? z[offsetOf(i, sizes, second.steps)]!
              : x[offsetOf(i, sizes, first.steps)]!,
          ),
          relative: 0,
          absolute: 0,
        },
      },
    };
  }),
);
