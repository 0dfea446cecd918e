import { byteSize, percent, shortNumber } from "../../core/format.js";

/** How numbers of a quantity are written, and which are round. */
export interface Unit {
  /** A number with its unit, as an axis shows it. */
  format(value: number): string;
  /** Round numbers are 1, 2, 5 × 10ⁿ, or powers of 2. Default decimal. */
  readonly ticks?: "decimal" | "binary";
}

/** Three significant digits. */
export const plain: Unit = { format: shortNumber };
export const bytes: Unit = { format: byteSize, ticks: "binary" };
export const milliseconds: Unit = { format: (value) => `${shortNumber(value)} ms` };
/** Shares in [0, 1] as per cent. */
export const share: Unit = { format: percent };
/** Large numbers with a decimal prefix: 1.36 G. */
export const prefixed: Unit = { format: withPrefix };

const prefixes = ["", " k", " M", " G", " T", " P"];

function withPrefix(value: number): string {
  let scaled = value;
  let prefix = 0;
  while (Math.abs(scaled) >= 999.5 && prefix < prefixes.length - 1) {
    scaled /= 1000;
    prefix++;
  }
  return `${shortNumber(scaled)}${prefixes[prefix]}`;
}
