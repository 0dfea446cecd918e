import { build, buildRows, flags, type KernelCase, matrices, random } from "./case.js";

/** [batch, positions, channels] */
const images = [
  [1, 1, 1],
  [2, 3, 5],
  [3, 17, 8],
  [2, 49, 70],
  [1, 4096, 3],
  [2, 3000, 17],
] as const;

const tolerance = { relative: 4e-7, absolute: 2e-7 };

function byImage([batch, positions, channels]: (typeof images)[number]): KernelCase[] {
  const size = batch * positions * channels;
  const title = `[${batch}][${positions}][${channels}]`;
  const shape = { batch, positions, channels };
  const x = random(1, size);
  const dy = random(2, size);
  const scale = random(3, batch * channels);
  const before = random(4, size);
  const beforeScale = random(5, batch * channels);
  const perImage = (row: number): number => Math.floor(row / positions);
  const scaled = (values: Float32Array): Float64Array =>
    buildRows(
      batch * positions,
      channels,
      (row, c) => values[row * channels + c]! * scale[perImage(row) * channels + c]!,
    );
  const reduced = (value: (at: number) => number): Float64Array =>
    buildRows(batch, channels, (image, c) => {
      let sum = 0;
      for (let p = 0; p < positions; p++) sum += value((image * positions + p) * channels + c);
      return sum;
    });
  const product = reduced((at) => dy[at]! * x[at]!);
  const magnitude = reduced((at) => Math.abs(dy[at]! * x[at]!));
  const total = reduced((at) => x[at]!);
  const totalMagnitude = reduced((at) => Math.abs(x[at]!) / positions);
  return [
    {
      kernel: "multiply_channel_forward",
      title,
      scalars: shape,
      inputs: { x, scale },
      outputs: { y: { before, after: scaled(x), ...tolerance } },
    },
    {
      kernel: "global_average_pool_forward",
      title,
      scalars: shape,
      inputs: { x },
      outputs: {
        y: { before: beforeScale, after: total.map((sum) => sum / positions), ...tolerance, scale: totalMagnitude },
      },
    },
    ...flags.flatMap((accumulate): KernelCase[] => [
      {
        kernel: "multiply_channel_backward_input",
        title: `${title}, accumulate ${accumulate}`,
        scalars: { ...shape, accumulate },
        inputs: { dy, scale },
        outputs: { dx: { before, after: scaled(dy).map((v, i) => v + accumulate * before[i]!), ...tolerance } },
      },
      {
        kernel: "multiply_channel_backward_scale",
        title: `${title}, accumulate ${accumulate}`,
        scalars: { ...shape, accumulate },
        inputs: { dy, x },
        outputs: {
          dscale: {
            before: beforeScale,
            after: product.map((v, i) => v + accumulate * beforeScale[i]!),
            ...tolerance,
            scale: magnitude.map((v) => v + 1),
          },
        },
      },
      {
        kernel: "global_average_pool_backward",
        title: `${title}, accumulate ${accumulate}`,
        scalars: { ...shape, accumulate },
        inputs: { dy: scale },
        outputs: {
          dx: {
            before,
            after: buildRows(
              batch * positions,
              channels,
              (row, c) => scale[perImage(row) * channels + c]! / positions + accumulate * before[row * channels + c]!,
            ),
            ...tolerance,
          },
        },
      },
    ]),
  ];
}

function byRow([rows, channels]: (typeof matrices)[number]): KernelCase[] {
  const x = random(1, rows * channels);
  const bias = random(2, channels);
  const before = random(3, rows * channels);
  const beforeSum = random(4, channels);
  const title = `[${rows}][${channels}]`;
  const sum = (value: (x: number) => number): Float64Array =>
    build(channels, (c) => {
      let total = 0;
      for (let row = 0; row < rows; row++) total += value(x[row * channels + c]!);
      return total;
    });
  const sums = sum((v) => v);
  return flags.flatMap((flag): KernelCase[] => [
    {
      kernel: "bias_forward",
      title: `${title}, relu ${flag}`,
      scalars: { rows, channels, relu: flag },
      inputs: { x, bias },
      outputs: {
        y: {
          before,
          after: buildRows(rows, channels, (row, c) => {
            const value = x[row * channels + c]! + bias[c]!;
            return flag ? Math.max(0, value) : value;
          }),
          ...tolerance,
        },
      },
    },
    {
      kernel: "sum_rows",
      title: `${title}, accumulate ${flag}`,
      scalars: { rows, channels, accumulate: flag },
      inputs: { x },
      outputs: {
        y: {
          before: beforeSum,
          after: sums.map((v, c) => v + flag * beforeSum[c]!),
          ...tolerance,
          scale: sum(Math.abs).map((v) => v + 1),
        },
      },
    },
  ]);
}

export const channelCases: readonly KernelCase[] = [...images.flatMap(byImage), ...matrices.flatMap(byRow)];
