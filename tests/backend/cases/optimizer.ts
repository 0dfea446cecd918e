import { build, flags, type KernelCase, lengths, random } from "./case.js";

const tolerance = { relative: 4e-7, absolute: 4e-7 };
const f = Math.fround;

export const optimizerCases: readonly KernelCase[] = lengths.flatMap((n): KernelCase[] => {
  const parameter = random(1, n);
  const gradient = random(2, n);
  const velocity = random(3, n);
  const square = random(4, n, 0, 1);
  const sgd = { lr: f(0.1), momentum: f(0.9), weight_decay: f(1e-4), gradient_scale: 0.25 };
  const scaledGradient = (i: number): number => gradient[i]! * 0.25 + sgd.weight_decay * parameter[i]!;
  const nextVelocity = build(n, (i) => sgd.momentum * velocity[i]! + scaledGradient(i));
  const adam = {
    ...{ lr: f(1e-3), rate1: f(0.1), rate2: f(0.001), epsilon: f(1e-8), weight_decay: f(0.05), gradient_scale: 0.5 },
    ...{ correction1: f(1 - 0.9 ** 3), correction2: f(1 - 0.999 ** 3) },
  };
  const nextMean = build(n, (i) => velocity[i]! + adam.rate1 * (0.5 * gradient[i]! - velocity[i]!));
  const nextSquare = build(n, (i) => square[i]! + adam.rate2 * ((0.5 * gradient[i]!) ** 2 - square[i]!));
  return [
    ...flags.map(
      (nesterov): KernelCase => ({
        kernel: "sgd_step",
        title: `n = ${n}, nesterov ${nesterov}`,
        scalars: { n, ...sgd, nesterov },
        inputs: { gradient },
        outputs: {
          velocity: { before: velocity, after: nextVelocity, ...tolerance },
          parameter: {
            before: parameter,
            after: build(n, (i) => {
              const step = nesterov ? scaledGradient(i) + sgd.momentum * nextVelocity[i]! : nextVelocity[i]!;
              return parameter[i]! - sgd.lr * step;
            }),
            ...tolerance,
          },
        },
      }),
    ),
    {
      kernel: "adamw_step",
      title: `n = ${n}`,
      scalars: { n, ...adam },
      inputs: { gradient },
      outputs: {
        mean: { before: velocity, after: nextMean, ...tolerance },
        square: { before: square, after: nextSquare, ...tolerance },
        parameter: {
          before: parameter,
          after: build(n, (i) => {
            const decayed = parameter[i]! * (1 - adam.lr * adam.weight_decay);
            const denominator = Math.sqrt(nextSquare[i]! / adam.correction2) + adam.epsilon;
            return decayed - ((adam.lr / adam.correction1) * nextMean[i]!) / denominator;
          }),
          ...tolerance,
        },
      },
    },
    {
      kernel: "ema_update",
      title: `n = ${n}`,
      scalars: { n, rate: f(1e-3) },
      inputs: { parameter },
      outputs: {
        shadow: {
          before: velocity,
          after: build(n, (i) => velocity[i]! + f(1e-3) * (parameter[i]! - velocity[i]!)),
          ...tolerance,
        },
      },
    },
  ];
});
