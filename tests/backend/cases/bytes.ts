import { Rng } from "#repvgg/core/rng.js";
import { padded, rowBytes, toByte } from "../byte-oracle.js";
import { flags, type KernelCase, matrices, random } from "./case.js";
import { pools } from "./pooling.js";

/** Bytes, the same for the same seed. */
export function randomBytes(seed: number, length: number): Uint8Array {
  const rng = new Rng(seed);
  return new Uint8Array(length).map(() => Math.floor(rng.uniform(0, 256)));
}

const f = Math.fround;
const exact = { relative: 0, absolute: 0 } as const;
const target = { y_zero: 100, low: 9, high: 243 };
const finish = (value: number) => toByte(value, target.y_zero, target.low, target.high);

/** Every byte of [rows][channels] by its place; what fills a row up is the filler's. */
const rowsOf = (rows: number, channels: number, value: (row: number, channel: number) => number, filler: number) =>
  Uint8Array.from({ length: rows * rowBytes(channels) }, (_, i) => {
    const c = i % rowBytes(channels);
    return c < channels ? value(Math.floor(i / rowBytes(channels)), c) : filler;
  });
/** As rowsOf, what fills a row up being like the rest. */
const wholeRows = (rows: number, channels: number, value: (at: number) => number) =>
  Uint8Array.from({ length: rows * rowBytes(channels) }, (_, i) => value(i));

/** Halves between two bytes, both beyond the range, and what no number is. */
const awkward = [
  0.5,
  1.5,
  -0.5,
  2.5,
  -1.5,
  1e30,
  -1e30,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
];

const byRow = matrices.flatMap(([rows, channels]): KernelCase[] => {
  const title = `[${rows}][${channels}]`;
  const bytes = randomBytes(1, rows * rowBytes(channels));
  const before = randomBytes(2, rows * rowBytes(channels));
  const floats = random(3, rows * channels, -2, 2).map((v, i) =>
    i % 3 === 0 ? awkward[(i / 3) % awkward.length]! : v,
  );
  const at = (row: number, channel: number) => row * rowBytes(channels) + channel;
  const [scale, multiplier] = [f(0.013), f(0.83)];
  const tables = randomBytes(4, 256 * channels);
  const second = randomBytes(5, bytes.length);
  // A part of wider rows, at odd places.
  const wide = { x_row: channels + 5, x_offset: 3, y_row: rowBytes(channels) + 8, y_offset: 5 };
  const wideBytes = randomBytes(6, rows * wide.x_row);
  const wideBefore = randomBytes(7, rows * wide.y_row);
  const inWide = (value: (x: number, channel: number) => number) =>
    wideBefore.map((byte, i) => {
      const [row, c] = [Math.floor(i / wide.y_row), (i % wide.y_row) - wide.y_offset];
      return c >= 0 && c < channels ? value(wideBytes[row * wide.x_row + wide.x_offset + c]!, c) : byte;
    });
  return [
    ...[scale, 0.5, f(1e-30)].map(
      (scale): KernelCase => ({
        ...{ kernel: "u8_quantize_forward", title: `${title}, scale ${scale}`, inputs: { x: floats } },
        scalars: { rows, channels, scale, y_zero: 100 },
        outputs: {
          y: {
            before,
            after: rowsOf(rows, channels, (r, c) => toByte(f(floats[r * channels + c]! / f(scale)), 100), 100),
            ...exact,
          },
        },
      }),
    ),
    {
      ...{ kernel: "u8_dequantize_forward", title, inputs: { x: bytes } },
      scalars: { rows, channels, scale, x_zero: 37 },
      outputs: {
        y: {
          before: random(8, rows * channels),
          after: Float32Array.from({ length: rows * channels }, (_, i) =>
            f((bytes[at(Math.floor(i / channels), i % channels)]! - 37) * scale),
          ),
          ...exact,
        },
      },
    },
    {
      ...{ kernel: "u8_requantize_forward", title, inputs: { x: wideBytes } },
      scalars: { rows, channels, ...wide, x_zero: 37, multiplier, ...target },
      outputs: { y: { before: wideBefore, after: inWide((x) => finish(f((x - 37) * multiplier))), ...exact } },
    },
    ...flags.map(
      (by_channel): KernelCase => ({
        ...{ kernel: "u8_table_forward", title: `${title}, by_channel ${by_channel}` },
        inputs: { x: wideBytes, table: by_channel ? tables : tables.slice(0, 256) },
        scalars: { rows, channels, ...wide, by_channel },
        outputs: {
          y: { before: wideBefore, after: inWide((x, c) => tables[(by_channel ? 256 * c : 0) + x]!), ...exact },
        },
      }),
    ),
    {
      ...{ kernel: "u8_add_forward", title, inputs: { a: bytes, b: second } },
      scalars: { n: bytes.length, a_zero: 120, a_multiplier: multiplier, b_zero: 3, b_multiplier: f(0.41), ...target },
      outputs: {
        y: {
          before,
          after: wholeRows(rows, channels, (i) =>
            finish(f(f((bytes[i]! - 120) * multiplier) + f((second[i]! - 3) * f(0.41)))),
          ),
          ...exact,
        },
      },
    },
    ...[1, rows].map((batch): KernelCase => {
      const positions = rows / batch;
      const factors = randomBytes(9, batch * rowBytes(channels));
      const factorOf = (i: number) =>
        factors[Math.floor(i / rowBytes(channels) / positions) * rowBytes(channels) + (i % rowBytes(channels))]!;
      return {
        ...{ kernel: "u8_multiply_channel_forward", title: `${title}, batch ${batch}` },
        inputs: { x: bytes, scale: factors },
        scalars: { batch, positions, channels, x_zero: 90, scale_zero: 5, multiplier: f(0.0123), ...target },
        outputs: {
          y: {
            before,
            after: wholeRows(rows, channels, (i) => finish(f((bytes[i]! - 90) * (factorOf(i) - 5) * f(0.0123)))),
            ...exact,
          },
        },
      };
    }),
    ...flags.map((floats): KernelCase => {
      const mean = (channel: number) => {
        let sum = 0;
        for (let row = 0; row < rows; row++) sum += bytes[at(row, channel)]! - 37;
        return f(f(sum) * f(multiplier / rows));
      };
      const means = Float32Array.from({ length: rowBytes(channels) }, (_, c) => mean(c));
      return {
        ...{ kernel: "u8_global_average_pool_forward", title: `${title}, floats ${floats}`, inputs: { x: bytes } },
        scalars: { batch: 1, positions: rows, channels, x_zero: 37, multiplier, ...target, floats },
        outputs: {
          y: floats
            ? { before: random(10, channels), after: means.slice(0, channels), ...exact }
            : { before: randomBytes(10, means.length), after: Uint8Array.from(means, finish), ...exact },
        },
      };
    }),
  ];
});

const byWindow = pools.flatMap((p): KernelCase[] => {
  const [height, width] = p.size;
  const outSize = (axis: 0 | 1) =>
    Math.floor(
      (p.size[axis] + p.pads[axis] + p.pads[axis + 2]! - (p.kernel[axis] - 1) * p.dilation[axis] - 1) / p.stride[axis],
    ) + 1;
  const [out_height, out_width] = [outSize(0), outSize(1)];
  const row = rowBytes(p.channels);
  const x = randomBytes(1, p.batch * height * width * row);
  const window = {
    ...{ batch: p.batch, in_height: height, in_width: width, channels: p.channels, out_height, out_width },
    ...{ kernel_height: p.kernel[0], kernel_width: p.kernel[1], stride_y: p.stride[0], stride_x: p.stride[1] },
    ...{ pad_y: p.pads[0], pad_x: p.pads[1], dilation_y: p.dilation[0], dilation_x: p.dilation[1] },
  };
  const outputs = (value: (inside: readonly number[]) => number) => ({
    y: {
      before: randomBytes(2, p.batch * out_height * out_width * row),
      after: Uint8Array.from({ length: p.batch * out_height * out_width * row }, (_, i) => {
        const c = i % row;
        const [ox, oy] = [Math.floor(i / row) % out_width, Math.floor(i / row / out_width) % out_height];
        const n = Math.floor(i / row / out_width / out_height);
        const inside: number[] = [];
        for (let ky = 0; ky < p.kernel[0]; ky++)
          for (let kx = 0; kx < p.kernel[1]; kx++) {
            const y = oy * p.stride[0] - p.pads[0] + ky * p.dilation[0];
            const at = ox * p.stride[1] - p.pads[1] + kx * p.dilation[1];
            if (y >= 0 && y < height && at >= 0 && at < width)
              inside.push(x[((n * height + y) * width + at) * row + c]!);
          }
        return value(inside);
      }),
      ...exact,
    },
  });
  const title = `[${p.batch}][${p.size}][${p.channels}] by ${p.kernel}`;
  const multiplier = f(1.21);
  return [
    {
      ...{ kernel: "u8_max_pool_forward", title, scalars: window, inputs: { x } },
      outputs: outputs((inside) => Math.max(...inside)),
    },
    ...flags.map(
      (include_pad): KernelCase => ({
        ...{ kernel: "u8_average_pool_forward", title: `${title}, include_pad ${include_pad}`, inputs: { x } },
        scalars: {
          ...{ ...window, pad_bottom: p.pads[2], pad_right: p.pads[3], include_pad },
          ...{ x_zero: 60, multiplier, ...target },
        },
        outputs: outputs((inside) => {
          const count = include_pad ? p.kernel[0] * p.kernel[1] : inside.length;
          const sum = inside.reduce((total, byte) => total + byte - 60, 0);
          return finish(f(sum * f(multiplier / count)));
        }),
      }),
    ),
  ];
});

/** A picture's bytes, 3 a pixel, become positions of 4: each channel by its own table. */
const picture: KernelCase = (() => {
  const [x, table] = [randomBytes(11, 3 * 577), randomBytes(12, 3 * 256)];
  const before = padded(new Uint8Array(x.length), 3, 7);
  return {
    ...{ kernel: "u8_table_forward", title: "a picture", inputs: { x, table } },
    scalars: { rows: 577, channels: 3, x_row: 3, x_offset: 0, y_row: 4, y_offset: 0, by_channel: 1 },
    outputs: {
      y: {
        before,
        after: padded(
          x.map((byte, i) => table[256 * (i % 3) + byte]!),
          3,
          7,
        ),
        ...exact,
      },
    },
  } satisfies KernelCase;
})();

export const byteCases: readonly KernelCase[] = [...byRow, ...byWindow, picture];
