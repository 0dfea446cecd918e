/** Some measurements of one quantity, in short. */
export interface Sample {
  readonly count: number;
  readonly mean: number;
  /** Sample standard deviation (divisor count − 1); NaN for fewer than two. */
  readonly deviation: number;
}

export function sampleOf(values: readonly number[]): Sample {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : Number.NaN };
}

/** Half-width of the mean's 95 % confidence interval (Student): t · s / √n; undefined for fewer than two values. */
export function meanHalfWidth({ count, deviation }: Sample): number | undefined {
  return count < 2 ? undefined : (studentQuantile(0.975, count - 1) * deviation) / Math.sqrt(count);
}

/**
 * Spearman's rank correlation: Pearson's of the ranks, equal values having the mean of theirs. Undefined for fewer than three pairs and
 * where all values of a side are equal.
 */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | undefined {
  if (a.length < 3) return undefined;
  const [ra, rb] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  const products = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, rank, i) => sum + (rank - middle) * (y[i]! - middle), 0);
  const spread = Math.sqrt(products(ra, ra) * products(rb, rb));
  return spread === 0 ? undefined : products(ra, rb) / spread;
}

/** From 1, the least; equal values have the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const [below, equal] = [values.filter((v) => v < value).length, values.filter((v) => v === value).length];
    return below + (equal + 1) / 2;
  });
}

/** What two samples say about the difference of their means. */
export interface WelchTest {
  /** Mean of the first less mean of the second. */
  readonly difference: number;
  /** 95 % confidence interval of the difference. */
  readonly interval: readonly [low: number, high: number];
  readonly t: number;
  readonly degreesOfFreedom: number;
  /** Probability of a |t| at least as large where the means are equal. */
  readonly p: number;
}

/**
 * Welch's t-test of two independent samples whose variances may differ (Welch, 1947), two-sided; undefined where a sample has
 * fewer than two values. Samples without any spread differ for certain or not at all.
 */
export function welchTest(a: Sample, b: Sample): WelchTest | undefined {
  if (a.count < 2 || b.count < 2) return undefined;
  const difference = a.mean - b.mean;
  const [va, vb] = [a.deviation ** 2 / a.count, b.deviation ** 2 / b.count];
  const error = Math.sqrt(va + vb);
  if (error === 0) {
    const equal = difference === 0;
    const t = equal ? 0 : Math.sign(difference) * Number.POSITIVE_INFINITY;
    return {
      difference,
      interval: [difference, difference],
      t,
      degreesOfFreedom: a.count + b.count - 2,
      p: equal ? 1 : 0,
    };
  }
  const degreesOfFreedom = (va + vb) ** 2 / (va ** 2 / (a.count - 1) + vb ** 2 / (b.count - 1));
  const t = difference / error;
  const half = studentQuantile(0.975, degreesOfFreedom) * error;
  return {
    difference,
    interval: [difference - half, difference + half],
    t,
    degreesOfFreedom,
    p: 2 * studentTail(Math.abs(t), degreesOfFreedom),
  };
}

/**
 * Holm's correction (1979) for several tests at once: the chance of any false alarm among all stays below the level that the
 * adjusted values are held against.
 * @returns the adjusted p-values, in the order given
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, i) => i).sort((i, j) => ps[i]! - ps[j]!);
  const adjusted = new Array<number>(ps.length);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * ps[index]!));
    adjusted[index] = largest;
  });
  return adjusted;
}

/** P(T > t) of Student's t for t ≥ 0: I_x(ν/2, 1/2) / 2 at x = ν / (ν + t²). */
export function studentTail(t: number, degreesOfFreedom: number): number {
  if (t === Number.POSITIVE_INFINITY) return 0;
  return incompleteBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5) / 2;
}

/** The t that P(T ≤ t) = probability, for probabilities above 1/2, by bisection. */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  const tail = 1 - probability;
  let [low, high] = [0, 1];
  while (studentTail(high, degreesOfFreedom) > tail) high *= 2;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (studentTail(middle, degreesOfFreedom) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Regularized incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22), evaluated by Lentz's method. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean; above it the symmetry I_x(a, b) = 1 − I_{1−x}(b, a) helps.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  const tiny = 1e-300;
  let [c, d] = [1, 1 / nonZero(1 - ((a + b) * x) / (a + 1), tiny)];
  let fraction = d;
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / nonZero(1 + term * d, tiny);
      c = nonZero(1 + term / c, tiny);
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

function nonZero(value: number, tiny: number): number {
  return Math.abs(value) < tiny ? tiny : value;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** ln Γ(x) for x > 0: Stirling's series beyond 10, the recurrence Γ(x + 1) = x Γ(x) below. */
function logGamma(x: number): number {
  let [shifted, product] = [x, 1];
  while (shifted < 10) product *= shifted++;
  const square = 1 / (shifted * shifted);
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) / shifted;
  return (shifted - 0.5) * Math.log(shifted) - shifted + Math.log(2 * Math.PI) / 2 + series - Math.log(product);
}
