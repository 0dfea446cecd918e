import { build, flags, type KernelCase, random } from "./case.js";

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** [rows, n, groups, run]; n / run coefficients for each of the groups. */
const sizes = [
  [1, 1, 1, 1],
  [5, 7, 1, 1],
  [300, 96, 1, 1],
  [2, 30_001, 1, 1],
  [6, 35, 3, 35],
  [8, 60, 2, 20],
  [4, 90, 4, 3],
  [33, 1000, 33, 500],
] as const;

const normalizations = sizes.flatMap(([rows, n, groups, run]) =>
  [0, 1, 2, 3].flatMap((operation) =>
    flags.map((affine): KernelCase => {
      const x = random(rows + n, rows * n).map((v) => v + 10 * (1 - (operation & 1)));
      const coefficients = (groups * n) / run;
      const [scale, bias] = [random(4, coefficients, 0.5, 1.5), random(5, coefficients)];
      const epsilon = Math.fround(1e-5);
      const statistics = Array.from({ length: rows }, (_, r) => {
        const row = [...x.subarray(r * n, r * n + n)];
        const mean = operation === 0 ? sum(row) / n : 0;
        const square = sum(row.map((v) => (v - mean) ** 2));
        const deviation = Math.sqrt(square / n + epsilon);
        return { mean, size: [deviation, deviation, sum(row.map(Math.abs)), Math.sqrt(square)][operation]! };
      });
      const after = build(rows * n, (i) => {
        const { mean, size } = statistics[Math.floor(i / n)]!;
        const value = (x[i]! - mean) / size;
        const at = ((Math.floor(i / n) % groups) * n) / run + Math.floor((i % n) / run);
        return affine ? value * scale[at]! + bias[at]! : value;
      });
      return {
        kernel: "normalize_forward",
        title: `[${rows}][${n}], ${groups} groups, runs of ${run}, operation ${operation}, affine ${affine}`,
        scalars: { rows, n, groups, run, operation, epsilon, statistic: 0 },
        inputs: affine ? { x, scale, bias } : { x },
        outputs: { y: { before: random(6, rows * n), after, relative: 3e-7, absolute: 3e-7 } },
      };
    }),
  ),
);

/** What is all the same, or all 0, divides by nothing. */
const constant = [0, 2, 3].map((operation): KernelCase => {
  const value = operation === 0 ? 7 : 0;
  return {
    kernel: "normalize_forward",
    title: `a row of ${value}, operation ${operation}`,
    scalars: { rows: 2, n: 9, groups: 1, run: 1, operation, epsilon: Math.fround(1e-5), statistic: 0 },
    inputs: { x: new Float32Array(18).fill(value) },
    outputs: { y: { before: random(6, 18), after: new Float32Array(18), relative: 0, absolute: 0 } },
  };
});

const statistics = [1, 2].map((statistic): KernelCase => {
  const [rows, n] = [300, 61];
  const x = random(1, rows * n, 9, 11);
  const after = build(rows, (row) => {
    const values = [...x.subarray(row * n, row * n + n)];
    const mean = sum(values) / n;
    return statistic === 1 ? mean : 1 / Math.sqrt(sum(values.map((v) => (v - mean) ** 2)) / n + 0.5);
  });
  return {
    kernel: "normalize_forward",
    title: `[${rows}][${n}], statistic ${statistic}`,
    scalars: { rows, n, groups: 1, run: 1, operation: 0, epsilon: 0.5, statistic },
    inputs: { x },
    outputs: { y: { before: random(6, rows), after, relative: 2e-7, absolute: 0 } },
  };
});

const localResponses = (
  [
    [1, 1, 0, 0],
    [3, 5, 1, 1],
    [7, 17, 2, 2],
    [500, 64, 1, 2],
    [2, 9, 9, 20],
  ] as const
).map(([rows, channels, before, behind]): KernelCase => {
  const x = random(rows, rows * channels, -3, 3);
  const [alpha, beta, bias] = [Math.fround(0.3), 0.75, 1.5];
  return {
    kernel: "local_response_forward",
    title: `[${rows}][${channels}], ${before} before and ${behind} behind`,
    scalars: { rows, channels, before, behind, alpha, beta, bias },
    inputs: { x },
    outputs: {
      y: {
        before: random(2, rows * channels),
        after: build(rows * channels, (i) => {
          const [row, c] = [Math.floor(i / channels), i % channels];
          let squares = 0;
          for (let k = Math.max(0, c - before); k <= Math.min(channels - 1, c + behind); k++)
            squares += x[row * channels + k]! ** 2;
          return x[i]! / (bias + alpha * squares) ** beta;
        }),
        relative: 3e-7,
        absolute: 0,
      },
    },
  };
});

export const normalizeCases: readonly KernelCase[] = [...normalizations, ...constant, ...statistics, ...localResponses];
