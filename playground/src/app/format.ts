/** Numbers for people. A number and its unit stay on one line. */

const sizes = ["", "\u00a0k", "\u00a0M", "\u00a0G"] as const;

/** 1,361,451,008 → "1.36 G". */
export function short(value: number): string {
  let magnitude = 0;
  let rest = value;
  while (Math.abs(rest) >= 999.5 && magnitude < sizes.length - 1) {
    rest /= 1000;
    magnitude++;
  }
  const digits = magnitude === 0 ? 0 : rest < 10 ? 2 : rest < 100 ? 1 : 0;
  return `${rest.toFixed(digits)}${sizes[magnitude]}`;
}

/** Bytes in KiB or MiB. */
export function bytes(value: number): string {
  const kib = value / 1024;
  return kib < 1000
    ? `${kib.toFixed(kib < 10 ? 1 : 0)}\u00a0KiB`
    : `${(kib / 1024).toFixed(kib < 10240 ? 2 : 1)}\u00a0MiB`;
}

/** A weight: three decimals, a true minus. */
export function weight(value: number, decimals = 3): string {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? (0).toFixed(decimals) : text.replace("-", "−");
}

/** 4.8e-7 → "4.8 × 10⁻⁷". */
export function scientific(value: number): string {
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(1).split("e") as [string, string];
  const raised = [...String(Number(exponent))]
    .map((digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]))
    .join("");
  return `${mantissa} × 10${raised}`;
}

export function percent(value: number): string {
  return `${(100 * value).toFixed(1)}\u00a0%`;
}

export function milliseconds(value: number): string {
  return `${value < 1 ? value.toFixed(3) : value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)}\u00a0ms`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
