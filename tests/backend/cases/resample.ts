import { build, flags, type KernelCase, random } from "./case.js";

const exact = { relative: 0, absolute: 0 };

/** [outer, from, to, inner]: lanes and their tails, one task and several. */
const forms = [
  [1, 1, 1, 1],
  [3, 5, 7, 1],
  [2, 4, 3, 3],
  [2, 6, 9, 17],
  [1, 20, 41, 500],
  [7, 40, 80, 64],
] as const;

const whole = (seed: number, length: number, size: number): Float32Array =>
  random(seed, length, 0, size).map((value) => Math.min(size - 1, Math.floor(value)));

const axisCases = forms.flatMap(([outer, from, to, inner]) =>
  [1, 2, 5].map((taps): KernelCase => {
    const x = random(1, outer * from * inner);
    // Every seventh tap reads the value, every fifth counts nothing and would read what is not there.
    const indices = whole(2, to * taps, from).map((index, i) => (i % 5 === 4 ? from + 1000 : i % 7 === 3 ? -1 : index));
    const weights = random(3, to * taps).map((weight, i) => (i % 5 === 4 ? 0 : weight));
    const value = Math.fround(0.3);
    const size = outer * to * inner;
    return {
      kernel: "resample_axis_forward",
      title: `[${outer}][${from} → ${to}][${inner}] of ${taps}`,
      scalars: { outer, from, to, inner, taps, value },
      inputs: { x, indices, weights },
      outputs: {
        y: {
          before: random(4, size),
          after: build(size, (at) => {
            const [i, t, o] = [at % inner, Math.floor(at / inner) % to, Math.floor(at / inner / to)];
            let sum = 0;
            for (let k = 0; k < taps; k++) {
              const [index, weight] = [indices[t * taps + k]!, weights[t * taps + k]!];
              if (weight !== 0) sum += weight * (index < 0 ? value : x[(o * from + index) * inner + i]!);
            }
            return sum;
          }),
          relative: 3e-7,
          absolute: 3e-7,
        },
      },
    };
  }),
);

const reductions: readonly ((old: number, value: number) => number)[] = [
  (_, value) => value,
  (old, value) => Math.fround(old + value),
  (old, value) => Math.fround(old * value),
  Math.max,
  Math.min,
];

const scatterCases = [
  [1, 1, 1],
  [9, 3, 20],
  [400, 1, 100],
  [500, 70, 90],
].flatMap(([rows, inner, count]) =>
  reductions.map((reduce, operation): KernelCase => {
    const [x, updates] = [random(1, rows! * inner!), random(2, count! * inner!)];
    // Some twice, some from the end, some outside.
    const indices = whole(3, count!, rows!).map((index, j) =>
      j % 4 === 1 ? index - rows! : j % 9 === 8 ? rows! + j : index,
    );
    const after = Float64Array.from(x);
    indices.forEach((index, j) => {
      const row = index < 0 ? index + rows! : index;
      if (row >= rows!) return;
      for (let i = 0; i < inner!; i++)
        after[row * inner! + i] = reduce(after[row * inner! + i]!, updates[j * inner! + i]!);
    });
    return {
      kernel: "scatter_forward",
      title: `${count} of [${rows}][${inner}], operation ${operation}`,
      scalars: { rows: rows!, inner: inner!, count: count!, operation },
      inputs: { x, indices, updates },
      outputs: {
        y: { before: random(4, x.length), after, ...exact },
        status: { before: new Float32Array(1), after: [count! > 8 ? 1 : 0], ...exact },
      },
    };
  }),
);

const sumCases = [
  [1, 1, 1],
  [2, 7, 1],
  [3, 5, 70],
  [1, 300, 9],
].flatMap(([outer, size, inner]) =>
  flags.flatMap((exclusive) =>
    flags.map((reverse): KernelCase => {
      const x = random(1, outer! * size! * inner!);
      const after = build(x.length, (at) => {
        const t = Math.floor(at / inner!) % size!;
        let sum = 0;
        for (let k = 0; k < size!; k++) {
          const counts = reverse ? k > t || (k === t && !exclusive) : k < t || (k === t && !exclusive);
          if (counts) sum += x[at + (k - t) * inner!]!;
        }
        return sum;
      });
      return {
        kernel: "cumulative_sum_forward",
        title: `[${outer}][${size}][${inner}], exclusive ${exclusive}, reverse ${reverse}`,
        scalars: { outer: outer!, size: size!, inner: inner!, exclusive, reverse },
        inputs: { x },
        outputs: { y: { before: random(2, x.length), after, relative: 1e-6, absolute: 1e-5 } },
      };
    }),
  ),
);

export const resampleCases: readonly KernelCase[] = [...axisCases, ...scatterCases, ...sumCases];
