/** A part of a tensor that has a scale of its own: one index of one axis (a channel; a column of a table of boxes). */
export interface Group {
  readonly axis: number;
  readonly index: number;
}

/** Largest difference and largest magnitude of the reference in one group. */
export interface GroupError extends Group {
  readonly error: number;
  readonly scale: number;
  /** All numbers were finite, on both sides. */
  readonly finite: boolean;
}

/**
 * Differences of a tensor by groups: for each index of each axis but the samples'. Boxes of 0…640 and scores of 0…1 often stand in one tensor,
 * [1, 5 + classes, …], [1, boxes, 5 + classes], [1, anchors, 5 + classes, height, width], without the 1, or flattened; an error counts by the
 * scale of its own group.
 */
export class GroupMeter {
  #axes: readonly {
    readonly axis: number;
    readonly error: Float64Array;
    readonly scale: Float64Array;
    readonly broken: Uint8Array;
  }[];

  /**
   * @param shape of each tensor to come; axis 0 may have another length
   * @param batched axis 0 counts samples
   */
  constructor(shape: readonly number[], batched = true) {
    const axes = shape.map((length, axis) => ({ length, axis }));
    this.#axes = axes.slice(batched ? 1 : 0).map(({ length, axis }) => {
      return { axis, error: new Float64Array(length), scale: new Float64Array(length), broken: new Uint8Array(length) };
    });
  }

  /** Numbers that are not finite on one side count with no difference here: they are counted elsewhere. */
  push(shape: readonly number[], reference: ArrayLike<number>, candidate: ArrayLike<number>): void {
    // As many rows as a run finds: they are no groups.
    this.#axes = this.#axes.filter(({ axis, error }) => error.length === shape[axis]);
    for (const { axis, error, scale, broken } of this.#axes) {
      const length = shape[axis]!;
      const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
      for (let at = 0; at < reference.length; ) {
        for (let index = 0; index < length; index++) {
          let [most, largest] = [error[index]!, scale[index]!];
          for (const end = at + inner; at < end; at++) {
            const difference = Math.abs(reference[at]! - candidate[at]!);
            if (!Number.isFinite(difference)) {
              broken[index] = 1;
              continue;
            }
            if (difference > most) most = difference;
            const magnitude = Math.abs(reference[at]!);
            if (magnitude > largest) largest = magnitude;
          }
          error[index] = most;
          scale[index] = largest;
        }
      }
    }
  }

  *groups(): Generator<GroupError> {
    for (const { axis, error, scale, broken } of this.#axes) {
      for (let index = 0; index < error.length; index++) {
        yield { axis, index, error: error[index]!, scale: scale[index]!, finite: broken[index] === 0 };
      }
    }
  }
}
