import { build, type KernelCase, matrices, random } from "./case.js";

const exact = { relative: 0, absolute: 0 };

const columnCases = matrices.map(([rows, columns]): KernelCase => {
  const row_words = columns + 3;
  const x = random(1, rows * columns);
  const before = random(2, rows * row_words);
  return {
    kernel: "copy_columns",
    title: `[${rows}][${columns}] of ${row_words}`,
    scalars: { rows, columns, row_words },
    inputs: { x },
    outputs: {
      y: {
        before,
        after: before.map((old, i) => {
          const [row, column] = [Math.floor(i / row_words), i % row_words];
          return column < columns ? x[row * columns + column]! : old;
        }),
        ...exact,
      },
    },
  };
});

type Four = readonly [number, number, number, number];

const pads: readonly { readonly input: Four; readonly output: Four; readonly begin: Four }[] = [
  { input: [1, 1, 1, 1], output: [1, 1, 1, 1], begin: [0, 0, 0, 0] },
  { input: [2, 5, 4, 7], output: [2, 8, 5, 7], begin: [0, 1, 1, 0] },
  { input: [2, 5, 4, 7], output: [3, 3, 2, 12], begin: [1, -1, -2, 2] },
  { input: [1, 3, 2, 9], output: [1, 3, 2, 4], begin: [0, 0, 0, -3] },
  { input: [1, 2, 2, 3], output: [1, 2, 2, 5], begin: [0, 0, 0, 9] },
  { input: [1, 40, 40, 33], output: [1, 42, 42, 33], begin: [0, 1, 1, 0] },
];

const padCases = pads.map(({ input, output, begin }): KernelCase => {
  const count = (sizes: Four): number => sizes.reduce((a, b) => a * b, 1);
  const x = random(1, count(input));
  const value = Math.fround(-0.7);
  const named = (prefix: string, values: Four) =>
    Object.fromEntries(values.map((size, axis) => [`${prefix}${axis}`, size]));
  return {
    kernel: "pad_forward",
    title: `[${input}] → [${output}] from ${begin}`,
    scalars: { ...named("in", input), ...named("out", output), ...named("begin", begin), value },
    inputs: { x },
    outputs: {
      y: {
        before: random(2, count(output)),
        after: build(count(output), (i) => {
          let [rest, step, from] = [i, 1, 0];
          for (let axis = 3; axis >= 0; axis--) {
            const at = (rest % output[axis]!) - begin[axis]!;
            rest = Math.floor(rest / output[axis]!);
            if (at < 0 || at >= input[axis]!) return value;
            from += at * step;
            step *= input[axis]!;
          }
          return x[from]!;
        }),
        ...exact,
      },
    },
  };
});

const resizeCases = (
  [
    [1, 1, 1, 2, 2, 1],
    [2, 3, 4, 6, 8, 5],
    [1, 20, 20, 40, 40, 64],
    [3, 9, 5, 4, 7, 17],
  ] as const
).map(([batch, in_height, in_width, out_height, out_width, channels]): KernelCase => {
  const x = random(1, batch * in_height * in_width * channels);
  const table = (from: number, to: number) => Float32Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
  const [source_y, source_x] = [table(in_height, out_height), table(in_width, out_width)];
  const size = batch * out_height * out_width * channels;
  return {
    kernel: "resize_nearest_forward",
    title: `[${batch}][${in_height}][${in_width}][${channels}] → ${out_height}×${out_width}`,
    scalars: { batch, in_height, in_width, out_height, out_width, channels },
    inputs: { x, source_y, source_x },
    outputs: {
      y: {
        before: random(2, size),
        after: build(size, (i) => {
          const c = i % channels;
          const column = source_x[Math.floor(i / channels) % out_width]!;
          const line = source_y[Math.floor(i / channels / out_width) % out_height]!;
          const n = Math.floor(i / channels / out_width / out_height);
          return x[((n * in_height + line) * in_width + column) * channels + c]!;
        }),
        ...exact,
      },
    },
  };
});

export const placeCases: readonly KernelCase[] = [...columnCases, ...padCases, ...resizeCases];
