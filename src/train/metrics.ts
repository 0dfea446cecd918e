/** A wrong answer. */
export interface Mistake {
  /** Of the picture, in its data set. */
  readonly index: number;
  /** Class indices. */
  readonly truth: number;
  readonly predicted: number;
  /** Softmax of both, in [0, 1]. */
  readonly probability: number;
  readonly truthProbability: number;
}

/** Mistakes that are kept. */
const keptMistakes = 24;

/** Counts of correct answers and of which class was taken for which, gathered over an evaluation. */
export class ClassificationMetrics {
  readonly classes: number;
  /** [true class][predicted class] */
  readonly confusion: Uint32Array;
  #lossSum = 0;
  #count = 0;
  #correct = 0;
  #correct5 = 0;
  readonly #mistakes: Mistake[] = [];

  constructor(classes: number) {
    this.classes = classes;
    this.confusion = new Uint32Array(classes * classes);
  }

  /**
   * Adds one picture. Its loss is −log softmax(logits)[label].
   * @param logits [classes]
   * @param index of the picture in its data set
   */
  add(logits: ArrayLike<number>, label: number, index = this.#count): void {
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
    if (best === label) return;
    const probability = Math.exp(logits[best]! - max) / sum;
    const truthProbability = Math.exp(logits[label]! - max) / sum;
    this.#keep({ index, truth: label, predicted: best, probability, truthProbability });
  }

  /** The wrong answers of which the net was surest (24 at most), the surest first. */
  get mistakes(): readonly Mistake[] {
    return this.#mistakes;
  }

  #keep(mistake: Mistake): void {
    const place = this.#mistakes.findIndex(({ probability }) => probability < mistake.probability);
    this.#mistakes.splice(place < 0 ? this.#mistakes.length : place, 0, mistake);
    if (this.#mistakes.length > keptMistakes) this.#mistakes.pop();
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

  /** Mean of {@link perClass} over the classes that have pictures: what small classes count in as much as large ones. */
  get balancedAccuracy(): number {
    const recalls = this.perClass.filter((recall) => !Number.isNaN(recall));
    return recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length;
  }

  /** Pictures of each class. */
  get classSizes(): number[] {
    return Array.from({ length: this.classes }, (_, c) =>
      this.confusion.subarray(c * this.classes, (c + 1) * this.classes).reduce((sum, n) => sum + n, 0),
    );
  }

  /** Share of each class that was recognised (recall); NaN for a class without pictures. */
  get perClass(): number[] {
    return this.classSizes.map((size, c) => this.confusion[c * this.classes + c]! / size);
  }
}
