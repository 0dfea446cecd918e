// The naive oracle of a head on a frozen backbone: multinomial logistic regression, fitted to its optimum in float64.

/**
 * Minimises mean cross-entropy + weightDecay / 2 · |weights|² (the bias has none) over all pictures at once by Nesterov's accelerated gradient
 * with restarts (O'Donoghue and Candès 2015), until the gradient is nothing.
 * @param features { shape: [features], values: [pictures][features], labels }
 * @returns {{ weights: Float64Array, objective: number }} weights [classes][features + 1], the bias last
 */
export function fitHead(
  { shape: [inputs], values, labels },
  classes,
  { weightDecay, iterations = 4000, tolerance = 1e-6 },
) {
  const width = inputs + 1;
  const count = labels.length;
  const x = (i, j) => (j === inputs ? 1 : values[i * inputs + j]);
  // Böhning 1992: the Hessian is at most ½ of the features' second moments, whose largest eigenvalue is found by iteration.
  const rate = 1 / (0.5 * largestEigenvalue(x, count, width) + weightDecay);
  let weights = new Float64Array(classes * width);
  let ahead = weights.slice();
  let t = 1;
  let objective = Number.POSITIVE_INFINITY;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const { gradient, value } = slope(ahead);
    if (Math.max(...gradient.map(Math.abs)) < tolerance) break;
    const next = ahead.map((weight, k) => weight - rate * gradient[k]);
    const restart = value > objective;
    objective = value;
    const after = restart ? 1 : (1 + Math.sqrt(1 + 4 * t * t)) / 2;
    const speed = restart ? 0 : (t - 1) / after;
    ahead = next.map((weight, k) => weight + speed * (weight - weights[k]));
    weights = next;
    t = after;
  }
  return { weights, objective: slope(weights).value };

  function slope(at) {
    const gradient = new Float64Array(at.length);
    let value = 0;
    for (let i = 0; i < count; i++) {
      const scores = scoresOf(at, i);
      const most = Math.max(...scores);
      const exponents = scores.map((score) => Math.exp(score - most));
      const sum = exponents.reduce((a, b) => a + b, 0);
      value -= (scores[labels[i]] - most - Math.log(sum)) / count;
      for (let c = 0; c < classes; c++) {
        const error = (exponents[c] / sum - (labels[i] === c ? 1 : 0)) / count;
        for (let j = 0; j < width; j++) gradient[c * width + j] += error * x(i, j);
      }
    }
    for (let k = 0; k < at.length; k++) {
      if (k % width === inputs) continue;
      gradient[k] += weightDecay * at[k];
      value += (weightDecay / 2) * at[k] ** 2;
    }
    return { gradient, value };
  }

  function scoresOf(at, i) {
    return Array.from({ length: classes }, (_, c) => {
      let score = 0;
      for (let j = 0; j < width; j++) score += at[c * width + j] * x(i, j);
      return score;
    });
  }
}

/** Share of the pictures whose likeliest class is right. */
export function headAccuracy({ weights }, { shape: [inputs], values, labels }, classes) {
  const width = inputs + 1;
  let right = 0;
  labels.forEach((label, i) => {
    let [best, most] = [-1, Number.NEGATIVE_INFINITY];
    for (let c = 0; c < classes; c++) {
      let score = weights[c * width + inputs];
      for (let j = 0; j < inputs; j++) score += weights[c * width + j] * values[i * inputs + j];
      if (score > most) [best, most] = [c, score];
    }
    if (best === label) right++;
  });
  return right / labels.length;
}

function largestEigenvalue(x, count, width) {
  let vector = new Float64Array(width).fill(1 / Math.sqrt(width));
  let length = 0;
  for (let iteration = 0; iteration < 30; iteration++) {
    const next = new Float64Array(width);
    for (let i = 0; i < count; i++) {
      let product = 0;
      for (let j = 0; j < width; j++) product += x(i, j) * vector[j];
      for (let j = 0; j < width; j++) next[j] += (product * x(i, j)) / count;
    }
    length = Math.hypot(...next);
    vector = next.map((value) => value / length);
  }
  return 1.05 * length;
}
