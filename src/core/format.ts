/** Three significant digits: 1.43e-6, 0.0123, 4.56, 78.9, 1,234. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  const rounded = Number(value.toPrecision(3));
  return size > 0 && size < 1e-3 ? rounded.toExponential() : String(rounded);
}

/** A whole number with its thousands set apart. */
export function wholeCount(value: number): string {
  return value.toLocaleString("en");
}

/** Seconds as a reader says them: 0.8 s, 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Bytes in binary units: 512 B, 1.50 KiB, 33.2 MiB. */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A share as per cent with two decimals. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** "1 picture", "2 pictures". */
export function plural(count: number, noun: string): string {
  return `${wholeCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
