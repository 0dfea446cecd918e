/** How far a candidate's numbers are from a reference's. */
export interface Difference {
  /** Numbers compared. */
  readonly count: number;
  /** Largest |candidate − reference|. */
  readonly maxAbsolute: number;
  /** Mean |candidate − reference|. */
  readonly meanAbsolute: number;
  /** maxAbsolute / max |reference| (maxAbsolute itself where the reference is all zero). */
  readonly relative: number;
  /** Numbers that are NaN or infinite on one side, or differently on both; they are in none of the figures above. */
  readonly nonFinite: number;
  /** Numbers that are the same NaN or infinity on both sides: no difference, and no proof of anything. */
  readonly sameNonFinite: number;
}

/** Gathers a {@link Difference} over any number of arrays. */
export class DifferenceMeter {
  #count = 0;
  #nonFinite = 0;
  #sameNonFinite = 0;
  #max = 0;
  #sum = 0;
  #scale = 0;

  /** @returns the largest absolute difference in these arrays; infinite where one side is not a finite number. */
  push(reference: ArrayLike<number>, candidate: ArrayLike<number>): number {
    let max = 0;
    for (let i = 0; i < reference.length; i++) {
      const [a, b] = [reference[i]!, candidate[i]!];
      const difference = Math.abs(a - b);
      if (Number.isFinite(difference)) {
        this.#sum += difference;
        if (difference > this.#max) this.#max = difference;
        this.#scale = Math.max(this.#scale, Math.abs(a));
        if (difference > max) max = difference;
      } else if (Object.is(a, b)) {
        this.#sameNonFinite++;
      } else {
        this.#nonFinite++;
        max = Number.POSITIVE_INFINITY;
      }
    }
    this.#count += reference.length;
    return max;
  }

  /** max |reference| */
  get scale(): number {
    return this.#scale;
  }

  get result(): Difference {
    return {
      count: this.#count,
      maxAbsolute: this.#max,
      meanAbsolute: this.#count > 0 ? this.#sum / this.#count : 0,
      relative: this.#scale > 0 ? this.#max / this.#scale : this.#max,
      nonFinite: this.#nonFinite,
      sameNonFinite: this.#sameNonFinite,
    };
  }
}
