import { build, type KernelCase, random } from "./case.js";

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const maximum = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b));

/** In the order of their numbers; of rounded sums no better than their terms allow. */
const operations: readonly ((values: readonly number[]) => number)[] = [
  sum,
  (values) => sum(values) / values.length,
  maximum,
  (values) => values.reduce((a, b) => Math.min(a, b)),
  (values) => values.reduce((a, b) => a * b, 1),
  (values) => sum(values.map(Math.abs)),
  (values) => Math.sqrt(sum(values.map((v) => v * v))),
  (values) => sum(values.map((v) => v * v)),
  (values) => Math.log(sum(values)),
  (values) => {
    const top = maximum(values);
    if (Math.abs(top) === Number.POSITIVE_INFINITY) return top;
    return top + Math.log(sum(values.map((v) => Math.exp(v - top))));
  },
];

/** [outer, size, inner] */
const sizes = [
  [1, 1, 1],
  [3, 5, 1],
  [2, 40_003, 1],
  [1, 7, 5],
  [3, 100, 19],
  [2, 3000, 33],
  [700, 9, 17],
] as const;

const column = (x: Float32Array, [, size, inner]: readonly number[], i: number): number[] =>
  Array.from({ length: size! }, (_, k) => x[(Math.floor(i / inner!) * size! + k) * inner! + (i % inner!)]!);

const reductions = sizes.flatMap((shape) =>
  operations.map((f, operation): KernelCase => {
    const [outer, size, inner] = shape;
    const [low, high] =
      operation === 4 ? [0.9, 1.1] : operation === 8 ? [0.5, 1] : operation === 9 ? [-200, 200] : [-1, 3];
    const x = random(operation + size, outer * size * inner, low, high);
    return {
      kernel: "reduce_forward",
      title: `[${shape}], operation ${operation}`,
      scalars: { outer, size, inner, operation },
      inputs: { x },
      outputs: {
        y: {
          before: random(2, outer * inner),
          after: build(outer * inner, (i) => f(column(x, shape, i))),
          relative: 2e-7,
          absolute: 1e-9,
        },
      },
    };
  }),
);

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

/** A NaN stays wherever it stands; infinite maxima are the logarithm's own. */
const specials = [
  { x: [1, nan, 2, 3, 4, 5, 6, 7, 8], expected: [nan, nan, nan, nan, nan, nan, nan, nan, nan, nan] },
  { x: [0, 1, 2, 3, 4, 5, 6, 7, nan], expected: [nan, nan, nan, nan, nan, nan, nan, nan, nan, nan] },
  {
    x: [infinity, 1, 2],
    expected: [infinity, infinity, infinity, 1, infinity, infinity, infinity, infinity, infinity, infinity],
  },
  {
    x: [-infinity, -infinity],
    expected: [-infinity, -infinity, -infinity, -infinity, infinity, infinity, infinity, infinity, nan, -infinity],
  },
].flatMap(({ x, expected }) =>
  [1, 3].flatMap((inner) =>
    expected.map(
      (value, operation): KernelCase => ({
        kernel: "reduce_forward",
        title: `[${x}], ${inner} of them, operation ${operation}`,
        scalars: { outer: 1, size: x.length, inner, operation },
        inputs: { x: Float32Array.from({ length: x.length * inner }, (_, i) => x[Math.floor(i / inner)]!) },
        outputs: {
          y: { before: random(2, inner), after: Array<number>(inner).fill(value), relative: 0, absolute: 0 },
        },
      }),
    ),
  ),
);

const extremes = sizes.flatMap((shape) =>
  [0, 1].flatMap((largest) =>
    [0, 1].map((last): KernelCase => {
      const [outer, size, inner] = shape;
      const x = random(size, outer * size * inner, 0, 9).map(Math.floor); // many are equal
      return {
        kernel: "arg_extreme_forward",
        title: `[${shape}], largest ${largest}, last ${last}`,
        scalars: { outer, size, inner, largest, last },
        inputs: { x },
        outputs: {
          y: {
            before: random(2, outer * inner),
            after: build(outer * inner, (i) => {
              const values = column(x, shape, i);
              const best = largest ? maximum(values) : -maximum(values.map((v) => -v));
              return last ? values.lastIndexOf(best) : values.indexOf(best);
            }),
            relative: 0,
            absolute: 0,
          },
        },
      };
    }),
  ),
);

export const reduceCases: readonly KernelCase[] = [...reductions, ...specials, ...extremes];
