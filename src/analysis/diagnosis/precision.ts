import { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from "../../core/named-arrays.js";
import type { Graph } from "../../graph/graph.js";
import { constantOf, foldRegion, rewritten } from "./blocks.js";
import { digits } from "./finding.js";
import type { Hypotheses, Hypothesis } from "./hypothesis.js";
import type { Kernel } from "./kernel.js";

/** The largest finite float16. */
const largestHalf = 65504;

const half = (value: number): number => halfToNumber(numberToHalf(value));
const saturatedHalf = (value: number): number => half(Math.max(-largestHalf, Math.min(largestHalf, value)));
const bfloat16 = (value: number): number => bfloat16ToNumber(numberToBfloat16(value));

/** Kernels stored with fewer digits, after the fold or before it. */
export const precisionHypotheses: Hypotheses = ({ block: { region }, kernel, observed }) => [
  [...roundings(kernel, observed), ...(region.nodes.length > 1 ? roundedBefore(region) : [])],
];

/** A kernel stored in 16 bits: numbers beyond float16's range become infinite or, with some converters, the largest number. */
export function roundings(kernel: Kernel, observed: Kernel): Hypothesis[] {
  const { count, largest } = beyondHalf([kernel.weight, kernel.bias]);
  const rounded = (round: (value: number) => number, bias: boolean) => (): Kernel => ({
    ...kernel,
    weight: roundedTowards(kernel.weight, observed.weight, round),
    bias: bias ? roundedTowards(kernel.bias, observed.bias, round) : kernel.bias,
  });
  const storage = [
    [", bias too", true],
    [", but not the bias", false],
  ] as const;
  return storage.flatMap(([which, bias]): Hypothesis[] => {
    const halves: Hypothesis[] =
      count > 0
        ? [
            overflow(`is stored as float16${which}: ${beyond(count, largest)}, became infinite`, rounded(half, bias)),
            overflow(`is stored as float16${which}: ${beyond(count, largest)}, were cut`, rounded(saturatedHalf, bias)),
          ]
        : [rounding("fp16-rounding", `is stored as float16${which}`, rounded(half, bias))];
    return [...halves, rounding("bf16-rounding", `is stored as bfloat16${which}`, rounded(bfloat16, bias))];
  });
}

/**
 * Each value rounded; to its other neighbour where that is the observed one and the value lies between both but for the error of a
 * float32 fold, on which the observed side may have rounded.
 */
function roundedTowards(values: Float64Array, observed: Float64Array, round: (value: number) => number): Float64Array {
  if (values.length !== observed.length) return values.map(round); // other groups: no pairs of numbers
  const noise = 2 ** -20 * values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return values.map((value, at) => {
    const [rounded, seen] = [round(value), observed[at]];
    const between =
      Number.isFinite(rounded) && round(seen) === seen && Math.abs(seen - value) <= Math.abs(rounded - value) + noise;
    return between ? seen : rounded;
  });
}

/** The block's own constants stored in 16 bits, and then folded. */
function roundedBefore(region: Graph): Hypothesis[] {
  const constants = region.nodes.flatMap(({ inputs }) => inputs.filter((name) => region.initializers.has(name)));
  const { count, largest } = beyondHalf(constants.map((name) => constantOf(region, name)!));
  const folded = (round: (value: number) => number) => (): Kernel | undefined =>
    foldRegion(
      rewritten(region, { constants: new Map(constants.map((name) => [name, constantOf(region, name)!.map(round)])) }),
    );
  return [
    count > 0
      ? overflow(`was stored as float16 before the fold: ${beyond(count, largest)}, became infinite`, folded(half))
      : rounding("fp16-rounding", "was stored as float16 before the fold", folded(half)),
    rounding("bf16-rounding", "was stored as bfloat16 before the fold", folded(bfloat16)),
  ];
}

const beyond = (count: number, largest: number): string =>
  `${count} ${count === 1 ? "number" : "numbers"} beyond ${largestHalf}, up to ${digits(largest)}`;

const overflow = (what: string, predict: Hypothesis["predict"]): Hypothesis => ({
  cause: "fp16-overflow",
  what,
  remedy: "Keep this layer in float32 (or bfloat16), or scale its weights down and the next layer's up",
  predict,
});

const rounding = (
  cause: "fp16-rounding" | "bf16-rounding",
  what: string,
  predict: Hypothesis["predict"],
): Hypothesis => ({
  cause,
  what,
  remedy: "Expected of 16-bit weights; compare with a looser threshold, or keep float32",
  predict,
});

function beyondHalf(arrays: readonly Float64Array[]): { count: number; largest: number } {
  let [count, largest] = [0, 0];
  for (const array of arrays) {
    for (const value of array) {
      if (!(Math.abs(value) >= 65520)) continue; // up to there, float16 rounds down to its largest number
      count++;
      largest = Math.max(largest, Math.abs(value));
    }
  }
  return { count, largest };
}
