/** An axis of a result: its size, and for each operand how many words apart neighbours along it are (0: the same one). */
export interface Axis {
  readonly size: number;
  readonly steps: readonly number[];
}

/** Axes in the order in which memory holds them: channels last, or as the shape has them. */
export function memoryAxes(rank: number, channelsLast: boolean): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return channelsLast && rank > 2 ? [0, ...axes.slice(2), 1] : axes;
}

/** The axes of `shape` in memory order with the steps of operands that broadcast to it; all have the same rank. */
export function axesInMemory(
  shape: readonly number[],
  operands: readonly (readonly number[])[],
  channelsLast: boolean,
): Axis[] {
  const running = operands.map(() => 1);
  const fromTheEnd = memoryAxes(shape.length, channelsLast).reverse();
  const axes = fromTheEnd.map((axis): Axis => {
    const steps = operands.map((operand, i) => {
      const step = operand[axis] === 1 ? 0 : running[i]!;
      running[i]! *= operand[axis]!;
      return step;
    });
    return { size: shape[axis]!, steps };
  });
  return axes.reverse();
}

/** Without axes of size 1, and with those joined along which every operand goes on as it does along the next. */
export function collapsed(axes: readonly Axis[]): Axis[] {
  const result: Axis[] = [];
  for (const axis of axes.filter(({ size }) => size > 1)) {
    const before = result.at(-1);
    if (before?.steps.every((step, i) => step === axis.steps[i]! * axis.size)) {
      result[result.length - 1] = { size: before.size * axis.size, steps: axis.steps };
    } else {
      result.push(axis);
    }
  }
  return result;
}

/** Row-major numbers in the order of memory. */
export function inMemoryOrder(data: Float32Array, shape: readonly number[], channelsLast: boolean): Float32Array {
  if (!channelsLast || shape.length <= 2) return data;
  const channels = shape[1]!;
  const positions = shape.slice(2).reduce((a, b) => a * b, 1);
  return data.map((_, i) => {
    const position = Math.floor(i / channels) % positions;
    const image = Math.floor(i / channels / positions);
    return data[(image * channels + (i % channels)) * positions + position]!;
  });
}
