import type { GraphNode } from "../graph/graph.js";
import type { Quantization } from "../graph/quantization.js";
import type { Lowering } from "../lowering/context.js";
import { extents, type Held, type Tensor } from "../lowering/step.js";
import { type IntegerResult, type Operand, stored } from "./integer-op.js";

/**
 * A value of 8-bit numbers as memory holds it: [N][positions][C], channels filled up to a multiple of 4, so that a position is whole words. int8 numbers
 * stand 128 higher.
 */
export interface ByteTensor extends Held {
  readonly dtype: "u8" | "i8";
}

/** Bytes of a position. */
export const rowBytes = (channels: number): number => 4 * Math.ceil(channels / 4);

/** Rows of bytes, and channels, of a shape. */
export function rowsOf(shape: readonly number[]): { readonly rows: number; readonly channels: number } {
  const { batch, positions, channels } = extents(shape);
  return { rows: batch * positions, channels };
}

/** A zero point as it is stored. */
export const zeroOf = (quantization: Quantization): number => stored(quantization.zero, quantization);

/** A result's zero point and limits, as the kernels take them. */
export function limitsOf({ quantization, low, high }: IntegerResult) {
  return { y_zero: zeroOf(quantization), low: stored(low, quantization), high: stored(high, quantization) };
}

/** The values of a plan that are held as bytes; any step may read them, as bytes or as float32 words of the same whole numbers. */
export class ByteValues {
  readonly #bytes = new Map<string, ByteTensor>();

  constructor(readonly lowering: Lowering) {
    lowering.widened = (value) => {
      const bytes = this.#bytes.get(value);
      return bytes && this.#widen(value, bytes);
    };
  }

  create(name: string, shape: readonly number[], dtype: "u8" | "i8"): ByteTensor {
    const { rows, channels } = rowsOf(shape);
    return { shape, dtype, buffer: { name, words: (rows * rowBytes(channels)) / 4, type: "u8" } };
  }

  define(value: string, tensor: ByteTensor): ByteTensor {
    this.#bytes.set(value, tensor);
    return tensor;
  }

  /** A value as bytes; one that other steps gave as float32 words is narrowed once. */
  read(value: string, dtype: "u8" | "i8", reader: GraphNode): ByteTensor {
    const known = this.#bytes.get(value);
    if (known) return known;
    const bytes = quantize(this, reader.name, value, this.lowering.tensor(value, reader), {
      ...{ op: "Cast", dtype, scale: 1, zero: stored(0, { dtype }) },
    });
    this.define(value, bytes);
    return bytes;
  }

  readOperand({ value, quantization }: Operand, reader: GraphNode): ByteTensor {
    return this.read(value, quantization.dtype, reader);
  }

  #widen(value: string, bytes: ByteTensor): Tensor {
    return dequantize(this, value, value, bytes, { op: "Cast", scale: 1, zero: stored(0, bytes) });
  }
}

/** Real numbers to bytes: x / scale + zero, `zero` as it is stored. */
export function quantize(
  values: ByteValues,
  name: string,
  value: string,
  given: Tensor,
  how: { readonly op: string; readonly dtype: "u8" | "i8"; readonly scale: number; readonly zero: number },
): ByteTensor {
  const { lowering } = values;
  const input = lowering.channelsLast(given);
  const output = values.create(value, input.shape, how.dtype);
  return lowering.emit({
    ...{ name, op: how.op, algorithm: "u8_quantize", reads: [input], output },
    calls: (at) => [
      {
        kernel: "u8_quantize_forward",
        args: {
          ...{ x: at.of(input.buffer), y: at.of(output.buffer), ...rowsOf(input.shape) },
          ...{ scale: how.scale, y_zero: how.zero },
        },
      },
    ],
  });
}

/** Bytes to real numbers: (x − zero) · scale. */
export function dequantize(
  { lowering }: ByteValues,
  name: string,
  value: string,
  input: ByteTensor,
  how: { readonly op: string; readonly scale: number; readonly zero: number },
): Tensor {
  const output = lowering.create(value, input.shape);
  lowering.emit({
    ...{ name, op: how.op, algorithm: "u8_dequantize", reads: [input], output },
    calls: (at) => [
      {
        kernel: "u8_dequantize_forward",
        args: {
          ...{ x: at.of(input.buffer), y: at.of(output.buffer), ...rowsOf(input.shape) },
          ...{ scale: how.scale, x_zero: how.zero },
        },
      },
    ],
  });
  lowering.define(value, output);
  return output;
}

/** Numbers as a graph has them (row-major, NCHW) as the bytes of a {@link ByteTensor}. */
export function writeBytes(
  target: Uint8Array,
  { shape, dtype }: Pick<ByteTensor, "shape" | "dtype">,
  data: ArrayLike<number>,
): void {
  const { batch, positions, channels } = extents(shape);
  const [row, offset] = [rowBytes(channels), stored(0, { dtype })];
  for (let at = 0, n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < positions; p++, at++) target[(n * positions + p) * row + c] = data[at]! + offset;
    }
  }
}
