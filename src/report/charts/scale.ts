import { extremes } from "../../core/statistics.js";
import type { Axis } from "./chart.js";

/** A quantity laid out along an axis. */
export interface Scale {
  readonly domain: readonly [low: number, high: number];
  /** Pixels from the axis's begin; undefined where the scale has no place for the number. */
  at(value: number): number | undefined;
  readonly ticks: readonly number[];
}

/** Round numbers between two powers of ten. */
const steps = [1, 2, 5, 10];

/** @param length pixels  @param wanted about how many ticks */
export function scaleOf(axis: Axis, values: readonly number[], length: number, wanted: number): Scale {
  return axis.scale === "log" ? logScale(axis, values, length) : linearScale(axis, values, length, wanted);
}

function linearScale(axis: Axis, values: readonly number[], length: number, wanted: number): Scale {
  const finite = values.filter(Number.isFinite);
  let [low, high] = axis.domain ?? extremes(finite);
  if (!axis.domain) {
    if (finite.length === 0) [low, high] = [0, 1];
    if (axis.zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
    // Numbers that differ by rounding alone have no span: steps of it would be lost in them.
    if (high - low <= 1e-12 * Math.max(Math.abs(low), Math.abs(high)))
      [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
  }
  const step = roundStep((high - low) / wanted, axis.unit?.ticks ?? "decimal");
  if (!axis.domain) {
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
  }
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step + 0);
  const at = (value: number): number | undefined =>
    Number.isFinite(value) ? ((value - low) / (high - low)) * length : undefined;
  return { domain: [low, high], at, ticks };
}

/** The smallest round step that is at least so large. */
function roundStep(size: number, kind: "decimal" | "binary"): number {
  if (kind === "binary") return 2 ** Math.ceil(Math.log2(size));
  const power = 10 ** Math.floor(Math.log10(size));
  return power * (steps.find((factor) => factor * power >= size * (1 - 1e-9)) ?? 10);
}

function logScale(axis: Axis, values: readonly number[], length: number): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const [least, most] = positive.length > 0 ? extremes(positive) : [1, 10];
  let [low, high] = axis.domain ?? [rounded(least, "down"), rounded(most, "up")];
  if (low === high) [low, high] = [low / 10, high * 10];
  const decades = Math.log10(high / low);
  const every = Math.max(1, Math.ceil(decades / 6));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (decades > 2.5 && power % every === 0) ticks.push(10 ** power);
    if (decades <= 2.5) ticks.push(...[1, 2, 5].map((step) => step * 10 ** power));
  }
  const inside = ticks.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
  const at = (value: number): number | undefined =>
    value > 0 && Number.isFinite(value) ? (Math.log10(value / low) / decades) * length : undefined;
  return { domain: [low, high], at, ticks: inside };
}

/** The next 1, 2 or 5 × 10ⁿ. */
function rounded(value: number, direction: "down" | "up"): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor =
    direction === "up"
      ? steps.find((step) => step * power >= value * (1 - 1e-9))
      : steps.findLast((step) => step * power <= value * (1 + 1e-9));
  return (factor ?? 1) * power;
}
