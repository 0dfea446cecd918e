import { type NamedArrays, toFloat64 } from "../../core/named-arrays.js";
import { digits } from "./finding.js";

export type StatisticsProblem = "never-updated" | "few-batches" | "tiny-variance" | "invalid";

/** Something about one BatchNorm's running statistics that spoils a net in inference mode, folded or not. Plain data. */
export interface StatisticsWarning {
  /** Official path of the BatchNorm: `stage1.0.rbr_dense.bn`. */
  readonly path: string;
  readonly problem: StatisticsProblem;
  readonly message: string;
}

/** Initial statistics still weigh 0.9ⁿ after n batches (PyTorch's momentum 0.1): 1 % after 44. */
const enoughBatches = 44;

/** Below a tenth of ε = 1e-5 it is ε, not the data, that decides the scale. */
const tinyVariance = 1e-6;

/** γ/√(variance + ε) from which a channel of tiny variance matters: its input's noise is amplified so many times. */
const amplifies = 10;

/** What {@link checkStatistics} needs of a model. */
export interface StatisticsHolder {
  readonly state: NamedArrays;
  /** Statistics that were recalibrated (`recalibratedOn`) are exact, however few the batches. */
  readonly metadata?: { readonly provenance: Readonly<Record<string, string>> };
}

/**
 * Looks at the running statistics of a net in training form alone. A counter `num_batches_tracked` of 0 beside statistics that
 * are not the initial ones proves nothing (many converters drop the counter) and gives no warning.
 */
export function checkStatistics({ state, metadata }: StatisticsHolder): StatisticsWarning[] {
  const exact = metadata?.provenance["recalibratedOn"] !== undefined;
  return [...state.keys()]
    .filter((name) => name.endsWith(".running_var") && state.has(name.replace(/var$/, "mean")))
    .flatMap((name) => {
      const path = name.slice(0, -".running_var".length);
      const [weight, mean, variance, counter] = ["weight", "running_mean", "running_var", "num_batches_tracked"].map(
        (part) => state.get(`${path}.${part}`),
      );
      const found = problemOf(
        toFloat64(mean!),
        toFloat64(variance!),
        weight && toFloat64(weight),
        exact || !counter ? undefined : toFloat64(counter)[0],
      );
      return found ? [{ path, ...found }] : [];
    });
}

function problemOf(
  mean: Float64Array,
  variance: Float64Array,
  gamma: Float64Array | undefined,
  batches: number | undefined,
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
    (v, c) => v < tinyVariance && Math.abs(gamma?.[c] ?? 1) / Math.sqrt(v + 1e-5) > amplifies,
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
  "never-updated": "BatchNorm statistics were never updated: train, or recalibrate on training pictures",
  "few-batches": "BatchNorm statistics come from few batches: recalibrate on training pictures",
  "tiny-variance": "BatchNorm has channels without variance",
};

/** One line for each kind of problem. */
export function describeStatistics(warnings: readonly StatisticsWarning[]): string[] {
  return (Object.keys(titles) as StatisticsProblem[]).flatMap((problem) => {
    const [first, ...others] = warnings.filter((warning) => warning.problem === problem);
    if (!first) return [];
    const more = others.length > 0 ? ` (and ${others.length} more)` : "";
    return [`${titles[problem]}; ${first.path}: ${first.message}${more}`];
  });
}
