import {
  elementCount,
  type NamedArray,
  type NamedArrays,
  storageConstructor,
  toFloat64,
} from "../../core/named-arrays.js";
import { floatAttribute } from "../../graph/attributes.js";
import type { Graph } from "../../graph/graph.js";
import { type Architecture, epsilonOf } from "../../nn/architecture.js";
import { digits } from "./finding.js";

export type StatisticsProblem = "never-updated" | "few-batches" | "tiny-variance" | "invalid" | "not-finite";

/** Something about one BatchNorm's running statistics, or a weight, that spoils a net in inference mode, folded or not. Plain data. */
export interface StatisticsWarning {
  /** Official path of the BatchNorm: `stage1.0.rbr_dense.bn`; of another array its name. */
  readonly path: string;
  readonly problem: StatisticsProblem;
  readonly message: string;
}

/** Initial statistics still weigh 0.9ⁿ after n batches (PyTorch's momentum 0.1): 1 % after 44. */
const enoughBatches = 44;

/** Below a tenth of ε it is ε, not the data, that decides the scale. */
const tinyShare = 0.1;

/** γ/√(variance + ε) from which a channel of tiny variance matters: its input's noise is amplified so many times. */
const amplifies = 10;

/** What {@link checkStatistics} needs of a model. */
export interface StatisticsHolder {
  readonly state: NamedArrays;
  /** Default: PyTorch's ε for all. */
  readonly architecture?: Pick<Architecture, "batchNormEpsilon">;
  /** Statistics that were recalibrated (`recalibratedOn`) are exact, however few the batches. */
  readonly metadata?: { readonly provenance: Readonly<Record<string, string>> };
}

/** A BatchNorm's numbers. */
interface Norm {
  readonly path: string;
  readonly mean: NamedArray;
  readonly variance: NamedArray;
  readonly gamma: NamedArray | undefined;
  readonly batches: number | undefined;
  readonly epsilon: number;
}

/**
 * Looks at the running statistics of a net in training form alone, and for weights that are no numbers in either form. A counter `num_batches_tracked` of 0 beside statistics that
 * are not the initial ones proves nothing (many converters drop the counter) and gives no warning.
 */
export function checkStatistics({ state, architecture = {}, metadata }: StatisticsHolder): StatisticsWarning[] {
  const exact = metadata?.provenance["recalibratedOn"] !== undefined;
  const norms = [...state.keys()]
    .filter((name) => name.endsWith(".running_var") && state.has(name.replace(/var$/, "mean")))
    .map((name): Norm => {
      const path = name.slice(0, -".running_var".length);
      const [gamma, mean, variance, counter] = ["weight", "running_mean", "running_var", "num_batches_tracked"].map(
        (part) => state.get(`${path}.${part}`),
      );
      const batches = exact || !counter ? undefined : toFloat64(counter)[0];
      return { path, gamma, mean: mean!, variance: variance!, batches, epsilon: epsilonOf(architecture, path) };
    });
  return check(norms, state);
}

/** The same for a graph of any origin: its BatchNormalization nodes and its constants. */
export function checkGraphStatistics({ nodes, initializers }: Graph): StatisticsWarning[] {
  const norms = nodes.flatMap((node): Norm[] => {
    const [gamma, , mean, variance] = node.inputs.slice(1).map((name) => initializers.get(name));
    if (node.op !== "BatchNormalization" || !mean || !variance) return [];
    const path = node.inputs[3]!.replace(/\.running_mean$/, "") || node.name;
    return [{ path, gamma, mean, variance, batches: undefined, epsilon: floatAttribute(node, "epsilon", 1e-5) }];
  });
  return check(norms, initializers);
}

function check(norms: readonly Norm[], arrays: NamedArrays): StatisticsWarning[] {
  const judged = new Set<NamedArray>();
  const ofNorms = norms.flatMap(({ path, mean, variance, gamma, batches, epsilon }): StatisticsWarning[] => {
    judged.add(mean).add(variance);
    const found = problemOf(toFloat64(mean), toFloat64(variance), gamma && toFloat64(gamma), batches, epsilon);
    return found ? [{ path, ...found }] : [];
  });
  const ofWeights = [...arrays].flatMap(([path, array]): StatisticsWarning[] => {
    const bad = judged.has(array) ? 0 : countNotFinite(array);
    if (bad === 0) return [];
    return [
      {
        path,
        problem: "not-finite",
        message: `${bad} of ${elementCount(array.shape)} numbers are infinite or none (NaN)`,
      },
    ];
  });
  return [...ofNorms, ...ofWeights];
}

/** Numbers that are looked at together: an array that is not in memory is fetched in such parts. */
const partLength = 1 << 18;

/** How many numbers are NaN or infinite. */
function countNotFinite(array: NamedArray): number {
  const { dtype, shape } = array;
  if (dtype !== "f32" && dtype !== "f64" && dtype !== "f16" && dtype !== "bf16") return 0;
  if (!array.fill) return countIn(dtype, array.data);
  const length = elementCount(shape);
  const read = array.fill as (target: NamedArray["data"], from: number) => void;
  let count = 0;
  for (let from = 0; from < length; from += partLength) {
    const part = new storageConstructor[dtype](Math.min(partLength, length - from));
    read(part, from);
    count += countIn(dtype, part);
  }
  return count;
}

function countIn(dtype: "f64" | "f32" | "f16" | "bf16", data: NamedArray["data"]): number {
  let count = 0;
  if (dtype === "f16" || dtype === "bf16") {
    const exponent = dtype === "f16" ? 0x7c00 : 0x7f80;
    for (let i = 0; i < data.length; i++) if ((Number(data[i]) & exponent) === exponent) count++;
    return count;
  }
  // A difference of equal numbers is 0 unless they are no finite numbers: one sum tells for most arrays.
  const numbers = data as Float32Array | Float64Array;
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) sum += numbers[i]! - numbers[i]!;
  if (sum === 0) return 0;
  for (let i = 0; i < numbers.length; i++) if (!Number.isFinite(numbers[i])) count++;
  return count;
}

function problemOf(
  mean: Float64Array,
  variance: Float64Array,
  gamma: Float64Array | undefined,
  batches: number | undefined,
  epsilon: number,
): Omit<StatisticsWarning, "path"> | undefined {
  const invalid = variance.filter((v, c) => !(v >= 0 && Number.isFinite(v) && Number.isFinite(mean[c]))).length;
  if (invalid > 0) {
    return {
      problem: "invalid",
      message: `${invalid} of ${variance.length} channels have a negative or infinite variance, or no number`,
    };
  }
  if (mean.every((m) => m === 0) && variance.every((v) => v === 1)) {
    const counted = batches === undefined ? "" : `, num_batches_tracked = ${batches}`;
    return {
      problem: "never-updated",
      message: `mean 0 and variance 1 in all ${mean.length} channels${counted}: never updated`,
    };
  }
  if (batches !== undefined && batches > 0 && batches < enoughBatches) {
    const rest = digits(100 * 0.9 ** batches);
    return {
      problem: "few-batches",
      message: `${batches} batches only: the initial values still weigh ${rest} % (momentum 0.1)`,
    };
  }
  const loud = variance.filter(
    (v, c) => v <= tinyShare * epsilon && Math.abs(gamma?.[c] ?? 1) / Math.sqrt(v + epsilon) > amplifies,
  );
  if (loud.length > 0) {
    const least = digits(loud.reduce((a, b) => Math.min(a, b)));
    return {
      problem: "tiny-variance",
      message: `${loud.length} of ${variance.length} channels have a variance near 0 (down to ${least}), which BatchNorm amplifies`,
    };
  }
  return undefined;
}

const titles: Readonly<Record<StatisticsProblem, string>> = {
  invalid: "BatchNorm statistics are not numbers",
  "not-finite": "Weights are not numbers",
  "never-updated": "BatchNorm statistics were never updated: train, or recalibrate on training pictures",
  "few-batches": "BatchNorm statistics come from few batches: recalibrate on training pictures",
  "tiny-variance": "BatchNorm has channels without variance",
};

/** What mends them on the command line. */
const recalibration = "; do so by: repvgg fold MODEL --recalibrate PICTURES -o PLAIN";

/** One line for each kind of problem. */
export function describeStatistics(warnings: readonly StatisticsWarning[]): string[] {
  return (Object.keys(titles) as StatisticsProblem[]).flatMap((problem) => {
    const [first, ...others] = warnings.filter((warning) => warning.problem === problem);
    if (!first) return [];
    const more = others.length > 0 ? ` (and ${others.length} more)` : "";
    const remedy = problem === "never-updated" || problem === "few-batches" ? recalibration : "";
    return [`${titles[problem]}; ${first.path}: ${first.message}${more}${remedy}`];
  });
}
