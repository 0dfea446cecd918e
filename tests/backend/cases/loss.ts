import { Rng } from "#repvgg/core/rng.js";
import { build, buildRows, type KernelCase, random } from "./case.js";

/** [rows, classes] */
const shapes = [
  [1, 1],
  [3, 2],
  [5, 3],
  [17, 10],
  [4, 1000],
  [300, 101],
] as const;

/** Soft targets: one-hot, smoothed, or mixed. */
function softTargets(seed: number, rows: number, classes: number): Float32Array {
  const rng = new Rng(seed);
  const targets = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const smoothing = row % 3 === 0 ? 0 : 0.1;
    const share = row % 2 === 0 ? 1 : rng.next();
    for (let c = 0; c < classes; c++) targets[row * classes + c] = smoothing / classes;
    for (const weight of [share, 1 - share]) targets[row * classes + rng.int(classes)]! += (1 - smoothing) * weight;
  }
  return targets;
}

function softmax(x: Float32Array, rows: number, classes: number): { probabilities: Float64Array; logs: Float64Array } {
  const logs = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const at = x.subarray(row * classes, (row + 1) * classes);
    const max = at.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const logSum = max + Math.log(at.reduce((sum, v) => sum + Math.exp(v - max), 0));
    at.forEach((v, c) => {
      logs[row * classes + c] = v - logSum;
    });
  }
  return { probabilities: logs.map(Math.exp), logs };
}

export const lossCases: readonly KernelCase[] = shapes.flatMap(([rows, classes]) =>
  [1, 40].flatMap((spread): KernelCase[] => {
    const size = rows * classes;
    const logits = random(1, size, -spread, spread + 100 * (spread - 1));
    const targets = softTargets(2, rows, classes);
    const { probabilities, logs } = softmax(logits, rows, classes);
    const before = random(3, size);
    const scale = 1 / 64;
    const loss = {
      before: random(4, rows),
      after: build(rows, (row) => {
        let sum = 0;
        for (let c = 0; c < classes; c++) sum -= targets[row * classes + c]! * logs[row * classes + c]!;
        return sum;
      }),
      relative: 1e-6,
      absolute: spread === 1 ? 4e-7 : 1e-3, // at logits up to 4000 a float's own spacing is 2e-4
    };
    const dlogits = {
      before,
      after: buildRows(
        rows,
        classes,
        (row, c) => (probabilities[row * classes + c]! - targets[row * classes + c]!) * scale,
      ),
      relative: 2e-6,
      absolute: 4e-7 * scale,
    };
    const title = `[${rows}][${classes}], logits up to ${Math.round(Math.max(...logits))}`;
    const scalars = { batch: rows, classes, gradient_scale: scale };
    return [
      { kernel: "softmax_cross_entropy", title, scalars, inputs: { logits, targets }, outputs: { loss, dlogits } },
      {
        kernel: "softmax_cross_entropy",
        title: `${title}, no gradient`,
        scalars,
        inputs: { logits, targets },
        outputs: { loss },
      },
      {
        kernel: "softmax_forward",
        title,
        scalars: { rows, classes },
        inputs: { x: logits },
        outputs: { y: { before, after: probabilities, relative: 2e-6, absolute: 1e-12 } },
      },
      {
        kernel: "log_softmax_forward",
        title,
        scalars: { rows, classes },
        inputs: { x: logits },
        outputs: { y: { before, after: logs, relative: 1e-6, absolute: 4e-7 } },
      },
    ];
  }),
);
