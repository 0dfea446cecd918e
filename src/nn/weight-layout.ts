/**
 * A weight from PyTorch's layout to the kernels': [O, I, kh, kw] → [kh][kw][I][O] and [out, in] → [in][out] (a 1×1
 * convolution). Vectors and scalars stay as they are. Always a copy.
 */
export function toChannelsLast(data: Float32Array, shape: readonly number[]): Float32Array {
  const [outputs, inputs, taps] = extents(shape);
  const result = new Float32Array(data.length);
  let from = 0;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let tap = 0; tap < taps; tap++) result[(tap * inputs + i) * outputs + o] = data[from++]!;
    }
  }
  return result;
}

/** The inverse of {@link toChannelsLast}; `shape` is PyTorch's. */
export function fromChannelsLast(data: Float32Array, shape: readonly number[]): Float32Array {
  const [outputs, inputs, taps] = extents(shape);
  const result = new Float32Array(data.length);
  let to = 0;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let tap = 0; tap < taps; tap++) result[to++] = data[(tap * inputs + i) * outputs + o]!;
    }
  }
  return result;
}

function extents(shape: readonly number[]): [outputs: number, inputs: number, taps: number] {
  const [outputs = 1, inputs = 1, height = 1, width = 1] = shape;
  return [outputs, inputs, height * width];
}
