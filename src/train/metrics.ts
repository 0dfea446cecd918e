/** Counts of correct answers and of which class was taken for which, gathered over an evaluation. */
export class ClassificationMetrics {
  readonly classes: number;
  /** [true class][predicted class] */
  readonly confusion: Uint32Array;
  #lossSum = 0;
  #count = 0;
  #correct = 0;
  #correct5 = 0;

  constructor(classes: number) {
    this.classes = classes;
    this.confusion = new Uint32Array(classes * classes);
  }

  /** Adds one picture. `logits` [classes]; loss is −log softmax(logits)[label]. */
  add(logits: ArrayLike<number>, label: number): void {
    let best = 0;
    let above = 0;
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < this.classes; c++) {
      if (logits[c]! > logits[best]!) best = c;
      if (logits[c]! > logits[label]! || (logits[c] === logits[label] && c < label)) above++;
      if (logits[c]! > max) max = logits[c]!;
    }
    let sum = 0;
    for (let c = 0; c < this.classes; c++) sum += Math.exp(logits[c]! - max);
    this.#lossSum += max + Math.log(sum) - logits[label]!;
    this.#count++;
    if (best === label) this.#correct++;
    if (above < 5) this.#correct5++;
    this.confusion[label * this.classes + best]!++;
  }

  get count(): number {
    return this.#count;
  }

  /** Mean cross-entropy, without label smoothing. */
  get loss(): number {
    return this.#lossSum / this.#count;
  }

  /** Share of pictures whose highest logit is the right class (the first of equals counts). */
  get top1(): number {
    return this.#correct / this.#count;
  }

  get top5(): number {
    return this.#correct5 / this.#count;
  }

  /** Share of each class that was recognised (recall); NaN for a class without pictures. */
  get perClass(): number[] {
    return Array.from({ length: this.classes }, (_, c) => {
      const row = this.confusion.subarray(c * this.classes, (c + 1) * this.classes);
      return row[c]! / row.reduce((sum, n) => sum + n, 0);
    });
  }
}
