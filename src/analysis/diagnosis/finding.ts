/** What can make two models differ, by name. */
export type Cause =
  | "class-count"
  | "architecture"
  | "activation"
  | "batch-norm-training-mode"
  | "batch-norm-epsilon"
  | "batch-norm-skipped"
  | "batch-norm-shift"
  | "stale-statistics"
  | "fp16-overflow"
  | "fp16-rounding"
  | "bf16-rounding"
  | "transposed-kernel"
  | "missing-1x1-branch"
  | "missing-identity-branch"
  | "missing-branch"
  | "misplaced-branch"
  | "wrong-groups"
  | "missing-bias"
  | "bias-sign"
  | "inputs"
  | "input-layout"
  | "input-channels"
  | "input-size"
  | "outputs"
  | "channel-order"
  | "input-scale"
  | "preprocessing"
  | "quantization"
  | "rounding"
  | "unexplained";

/** One reason why two models differ, in plain words. Plain data. */
export interface Finding {
  /** What kind of difference it is. */
  readonly cause: Cause;
  /** The first block or value concerned, or "the whole net". */
  readonly where: string;
  /** Every block concerned, in order; empty where it is not a matter of blocks. */
  readonly blocks: readonly string[];
  /** What was seen, with numbers. */
  readonly evidence: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Findings as lines for people, likeliest first. */
export function describeFindings(findings: readonly Finding[]): string[] {
  return findings.map((finding) => `${describeCause(finding)}. ${finding.remedy}.`);
}

/** A finding without its remedy. */
export function describeCause({ cause, where, blocks, evidence }: Finding): string {
  const others = blocks.length > 1 ? ` and ${blocks.length - 1} more` : "";
  return `${cause} at ${where}${others}: ${evidence}`;
}

/** A number for people: three digits. */
export const digits = (value: number): string =>
  Number.isFinite(value) ? Number(value.toPrecision(3)).toString() : `${value}`;

/** A block's name without what every pre-activation value of ours ends in. */
export const blockName = (value: string): string => value.replace(/\.rbr_reparam$/, "");
