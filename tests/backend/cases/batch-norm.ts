import { build, buildRows, flags, type KernelCase, matrices, random } from "./case.js";

/** [rows, channels]: as {@link matrices}, with less in the largest: there are many cases of each. */
const shapes = matrices.map(([rows, channels]) => [Math.min(rows, 700), channels] as const);

/** [rows, channels, rows of a chunk] */
const chunked = shapes.flatMap(([rows, channels]) =>
  [1, 7, 256].filter((chunk) => chunk < 4 * rows && rows < 50 * chunk).map((chunk) => [rows, channels, chunk] as const),
);

function columnMoments(
  x: Float32Array,
  channels: number,
  begin: number,
  end: number,
): { mean: Float64Array; m2: Float64Array } {
  const mean = build(channels, (c) => {
    let sum = 0;
    for (let row = begin; row < end; row++) sum += x[row * channels + c]!;
    return sum / (end - begin);
  });
  const m2 = build(channels, (c) => {
    let sum = 0;
    for (let row = begin; row < end; row++) sum += (x[row * channels + c]! - mean[c]!) ** 2;
    return sum;
  });
  return { mean, m2 };
}

/** Deviations of 1 around means of 0, 10 and 1000: what a naive Σx² − (Σx)² would lose. */
function withMean(seed: number, rows: number, channels: number): Float32Array {
  return random(seed, rows * channels).map((v, i) => v + ([0, 10, 1000][(i % channels) % 3] ?? 0));
}

function statistics([rows, channels, chunk]: (typeof chunked)[number]): KernelCase[] {
  const x = withMean(1, rows, channels);
  const chunks = Math.ceil(rows / chunk);
  const partial = new Float64Array(chunks * 2 * channels);
  for (let k = 0; k < chunks; k++) {
    const { mean, m2 } = columnMoments(x, channels, k * chunk, Math.min(rows, (k + 1) * chunk));
    partial.set(mean, k * 2 * channels);
    partial.set(m2, (k * 2 + 1) * channels);
  }
  const whole = columnMoments(x, channels, 0, rows);
  const scalars = { rows, channels, chunk };
  const title = `[${rows}][${channels}], chunks of ${chunk}`;
  return [
    {
      kernel: "batch_norm_statistics_partial",
      title,
      scalars,
      inputs: { x },
      outputs: {
        // A mean near 1000 is stored to 3e-5: its M2 is off by n times the square of that, and by the rounding of terms.
        partial: { before: random(2, partial.length), after: partial, relative: 1e-5, absolute: 1e-6 },
      },
    },
    {
      kernel: "batch_norm_statistics_merge",
      title,
      scalars,
      inputs: { partial: Float32Array.from(partial) },
      outputs: {
        mean: { before: random(3, channels), after: whole.mean, relative: 2e-7, absolute: 2e-7 },
        variance: {
          before: random(4, channels),
          after: whole.m2.map((v) => v / rows),
          relative: 1e-3, // the chunks' means, rounded to 3e-5 near 1000, are what the merge is given
          absolute: 1e-8,
        },
      },
    },
  ];
}

/** Which branches are there, and whether each has a scale and shift (or coefficients). */
const branchSets = [
  [true],
  [false],
  [true, true],
  [true, true, true],
  [true, false, true],
  [false, true, undefined],
  [true, undefined, true],
] as const;

const tolerance = { relative: 1e-6, absolute: 1e-6 };

function branchForward([rows, channels]: (typeof shapes)[number]): KernelCase[] {
  const size = rows * channels;
  return branchSets.flatMap((set) =>
    flags.map((relu): KernelCase => {
      const inputs: Record<string, Float32Array> = {};
      const sum = new Float64Array(size);
      set.forEach((scaled, b) => {
        if (scaled === undefined) return;
        const x = random(b, size);
        const scale = random(b + 3, channels);
        const shift = random(b + 6, channels);
        inputs[`x${b}`] = x;
        if (scaled) Object.assign(inputs, { [`scale${b}`]: scale, [`shift${b}`]: shift });
        for (let i = 0; i < size; i++) {
          sum[i]! += scaled ? x[i]! * scale[i % channels]! + shift[i % channels]! : x[i]!;
        }
      });
      return {
        kernel: "branch_sum_forward",
        title: `[${rows}][${channels}], branches ${set.map(String)}, relu ${relu}`,
        scalars: { rows, channels, relu },
        inputs,
        outputs: { y: { before: random(9, size), after: relu ? sum.map((v) => Math.max(0, v)) : sum, ...tolerance } },
      };
    }),
  );
}

function branchBackward([rows, channels, chunk]: (typeof chunked)[number]): KernelCase[] {
  const size = rows * channels;
  const chunks = Math.ceil(rows / chunk);
  const dy = random(1, size);
  const y = random(2, size);
  return branchSets.flatMap((set) =>
    flags.flatMap((gated): KernelCase[] => {
      const dz = build(size, (i) => (gated && y[i]! <= 0 ? 0 : dy[i]!));
      const gate: Record<string, Float32Array> = gated ? { y } : {};
      const title = `[${rows}][${channels}], chunks of ${chunk}, branches ${set.map(String)}, relu ${gated}`;
      const x = set.map((present, b) => (present === undefined ? undefined : random(b + 3, size)));
      const mean = set.map((normalised, b) => (normalised ? random(b + 6, channels, -0.1, 0.1) : undefined));
      const partial = new Float64Array(chunks * 4 * channels);
      const magnitude = new Float64Array(partial.length).fill(1);
      for (let i = 0; i < size; i++) {
        const c = i % channels;
        const at = Math.floor(Math.floor(i / channels) / chunk) * 4 * channels + c;
        partial[at]! += dz[i]!;
        magnitude[at]! += Math.abs(dz[i]!);
        for (let b = 0; b < 3; b++) {
          const [values, means] = [x[b], mean[b]];
          if (values === undefined || means === undefined) continue;
          const term = dz[i]! * (values[i]! - means[c]!);
          partial[at + (b + 1) * channels]! += term;
          magnitude[at + (b + 1) * channels]! += Math.abs(term);
        }
      }
      const sums = build(4 * channels, (column) => {
        let sum = 0;
        for (let k = 0; k < chunks; k++) sum += partial[k * 4 * channels + column]!;
        return sum;
      });
      const named = (prefix: string, arrays: readonly (Float32Array | undefined)[]): Record<string, Float32Array> =>
        Object.fromEntries(arrays.flatMap((array, b) => (array === undefined ? [] : [[`${prefix}${b}`, array]])));
      const cases: KernelCase[] = [
        {
          kernel: "branch_sum_backward_partial",
          title,
          scalars: { rows, channels, chunk },
          inputs: { dy, ...gate, ...named("x", x), ...named("mean", mean) },
          outputs: {
            partial: {
              before: random(9, partial.length),
              after: partial,
              relative: 0,
              absolute: 2e-6,
              scale: magnitude,
            },
          },
        },
        {
          kernel: "branch_sum_backward_merge",
          title,
          scalars: { chunks, channels },
          inputs: { partial: Float32Array.from(partial) },
          outputs: { sums: { before: random(10, 4 * channels), after: sums, relative: 1e-6, absolute: 1e-4 } },
        },
      ];
      if (chunk === 7) return cases; // the data kernel knows no chunks: the shapes come with others too
      for (const accumulate of flags) cases.push(branchData(rows, channels, set, accumulate, { dy, ...gate }, dz, x));
      return cases;
    }),
  );
}

function branchData(
  rows: number,
  channels: number,
  set: (typeof branchSets)[number],
  accumulate: number,
  gate: Readonly<Record<string, Float32Array>>,
  dz: Float64Array,
  x: readonly (Float32Array | undefined)[],
): KernelCase {
  const size = rows * channels;
  const inputs: Record<string, Float32Array> = { ...gate };
  const outputs: Record<string, KernelCase["outputs"][string]> = {};
  set.forEach((normalised, b) => {
    if (normalised === undefined) return;
    const coefficients = random(b + 11, 3 * channels);
    if (normalised) Object.assign(inputs, { [`coefficients${b}`]: coefficients, [`x${b}`]: x[b] });
    const before = random(b + 14, size);
    const after = buildRows(rows, channels, (row, c) => {
      const i = row * channels + c;
      const [a, k, shift] = [0, 1, 2].map((part) => coefficients[part * channels + c]!) as [number, number, number];
      const value = normalised ? a * dz[i]! + k * x[b]![i]! + shift : dz[i]!;
      return value + accumulate * before[i]!;
    });
    outputs[`dx${b}`] = { before, after, ...tolerance };
  });
  return {
    kernel: "branch_sum_backward_data",
    title: `[${rows}][${channels}], branches ${set.map(String)}, relu ${"y" in gate}, accumulate ${accumulate}`,
    scalars: { rows, channels, accumulate0: accumulate, accumulate1: accumulate, accumulate2: accumulate },
    inputs,
    outputs,
  };
}

export const batchNormCases: readonly KernelCase[] = [
  ...chunked.flatMap(statistics),
  ...shapes.flatMap(branchForward),
  ...chunked.flatMap(branchBackward),
];
