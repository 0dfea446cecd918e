import { build, type KernelCase, lengths, random } from "./case.js";

/** erfc t for t ≥ 0: the Taylor series of erf, or the continued fraction (Abramowitz and Stegun 7.1.5, 7.1.14). */
export function erfc(t: number): number {
  if (t < 2) {
    let [sum, term] = [t, t];
    for (let n = 1; n < 60; n++) {
      term *= -(t * t) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = t;
  for (let k = 200; k > 0; k--) fraction = t + k / 2 / fraction;
  return Math.exp(-t * t) / Math.sqrt(Math.PI) / fraction;
}

function erf(x: number): number {
  if (Math.abs(x) > 0.5) return Math.sign(x) * (1 - erfc(Math.abs(x)));
  let [sum, term] = [x, x];
  for (let n = 1; n < 30; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const gelu = (x: number): number => 0.5 * x * (x < 0 ? erfc(-x / Math.SQRT2) : 2 - erfc(x / Math.SQRT2));
const geluTanh = (x: number): number => {
  const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
  return x / (1 + Math.exp(-2 * inner));
};
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const nearest = (x: number): number => {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
};
const { fround } = Math;

interface Unary {
  readonly name: string;
  readonly value: (x: number) => number;
  readonly parameters?: Readonly<Record<"alpha" | "beta" | "gamma", number>>;
  readonly range?: readonly [number, number];
  /** Units in the last place (2⁻²³ of the value's size) that it may be off. */
  readonly ulp?: number;
  /** Numbers to try beside random ones. */
  readonly special?: readonly number[];
}

const none = { alpha: 0, beta: 0, gamma: 0 };
const selu = { alpha: fround(1.7580993408473766), beta: fround(1.0507009873554805), gamma: 1 };
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const whole = [0, -0, 0.5, -0.5, 1.5, 2.5, -2.5, 8388607.5, -4194303.5, 8388609, -3e9, 1e30, infinity, -infinity, nan];
const ends = [0, 1e-30, -1e-30, 1e-7, -1e-7, 200, -200, infinity, -infinity, nan];

/** In the order of their numbers. */
const functions: readonly Unary[] = [
  { name: "Abs", value: Math.abs, special: ends },
  { name: "Neg", value: (x) => -x, special: ends },
  { name: "Sign", value: Math.sign, special: ends },
  { name: "Floor", value: Math.floor, special: whole },
  { name: "Ceil", value: Math.ceil, special: whole },
  { name: "Round", value: nearest, special: whole },
  { name: "Trunc", value: Math.trunc, special: whole },
  { name: "Sqrt", value: Math.sqrt, range: [0, 100], ulp: 1, special: [0, -1, infinity, nan, fround(1e-40)] },
  { name: "Reciprocal", value: (x) => 1 / x, ulp: 1, special: [0, infinity, -infinity, nan] },
  { name: "Exp", value: Math.exp, range: [-80, 80], ulp: 3, special: ends },
  { name: "Log", value: Math.log, range: [1e-6, 5], ulp: 1, special: [0, -1, 1, 1e30, fround(1e-40), infinity, nan] },
  { name: "Erf", value: erf, range: [-5, 5], ulp: 2, special: ends },
  { name: "Gelu", value: gelu, range: [-9, 9], ulp: 2, special: ends.slice(0, 8) },
  { name: "Gelu (tanh)", value: geluTanh, range: [-8, 8], ulp: 2, special: ends.slice(0, 8) },
  { name: "Tanh", value: Math.tanh, range: [-10, 10], ulp: 1, special: ends },
  {
    name: "Selu",
    value: (x) => (x > 0 ? selu.beta * x : selu.alpha * Math.expm1(x)),
    parameters: selu,
    range: [-20, 20],
    ulp: 1,
    special: ends,
  },
  {
    name: "Mish",
    value: (x) => (x === -infinity ? 0 : x * Math.tanh(softplus(x))),
    range: [-60, 60],
    ulp: 2,
    special: ends,
  },
  { name: "Softplus", value: softplus, range: [-80, 80], ulp: 1, special: ends },
  { name: "Softsign", value: (x) => x / (1 + Math.abs(x)), range: [-50, 50], ulp: 1, special: ends.slice(0, 7) },
  {
    name: "ThresholdedRelu",
    value: (x) => (x > 0.25 || Number.isNaN(x) ? x : 0),
    parameters: { ...none, alpha: 0.25 },
    special: [0.25, ...ends],
  },
  { name: "Sin", value: Math.sin, range: [-1000, 1000], ulp: 1, special: [0, 1e-30, 1e8, -3e7, infinity, nan] },
  { name: "Cos", value: Math.cos, range: [-1000, 1000], ulp: 1, special: [0, 1e-30, 1e8, -3e7, infinity, nan] },
  { name: "Not", value: (x) => (x === 0 ? 1 : 0), special: ends },
  { name: "Cast to bool", value: (x) => (x === 0 ? 0 : 1), special: ends },
  { name: "IsNaN", value: (x) => (Number.isNaN(x) ? 1 : 0), special: ends },
  {
    name: "IsInf",
    value: (x) => (Math.abs(x) === infinity ? 1 : 0),
    parameters: { ...none, alpha: infinity, beta: -infinity },
    special: ends,
  },
];

export const unaryCases: readonly KernelCase[] = functions.flatMap(({ name, value, ulp = 0, ...more }, operation) =>
  lengths.map((n): KernelCase => {
    const x = random(n, n, ...(more.range ?? [-3, 3]));
    x.set((more.special ?? []).slice(0, n));
    return {
      kernel: "unary_forward",
      title: `${name}, n = ${n}`,
      scalars: { n, operation, ...none, ...more.parameters },
      inputs: { x },
      outputs: {
        y: {
          before: random(2, n),
          after: build(n, (i) => fround(value(x[i]!))),
          relative: ulp * 2 ** -23,
          absolute: ulp * 2 ** -149,
        },
      },
    };
  }),
);
