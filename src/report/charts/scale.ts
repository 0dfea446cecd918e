import type { Axis } from "./chart.js";

/** A quantity laid out along an axis. */
export interface Scale {
  readonly domain: readonly [low: number, high: number];
  /** Pixels from the axis's begin; undefined where the scale has no place for the number. */
  at(value: number): number | undefined;
  readonly ticks: readonly number[];
}

/** @param length pixels  @param wanted about how many ticks */
export function scaleOf(axis: Axis, values: readonly number[], length: number, wanted: number): Scale {
  return axis.scale === "log" ? logScale(axis, values, length) : linearScale(axis, values, length, wanted);
}

function linearScale(axis: Axis, values: readonly number[], length: number, wanted: number): Scale {
  const finite = values.filter(Number.isFinite);
  let [low, high] = axis.domain ?? [Math.min(...finite), Math.max(...finite)];
  if (!axis.domain) {
    if (finite.length === 0) [low, high] = [0, 1];
    if (axis.zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
    if (low === high) [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
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
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= size * (1 - 1e-9)) ?? 10);
}

function logScale(axis: Axis, values: readonly number[], length: number): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const [low, high] = axis.domain ?? [Math.min(...positive), Math.max(...positive)];
  const [begin, end] =
    positive.length === 0 && !axis.domain ? [0, 1] : [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const [from, to] = axis.domain ? [Math.log10(low), Math.log10(high)] : [begin, Math.max(end, begin + 1)];
  const ticks: number[] = [];
  const every = Math.max(1, Math.ceil((to - from) / 6));
  for (let power = Math.ceil(from); power <= to; power += every) ticks.push(10 ** power);
  const at = (value: number): number | undefined =>
    value > 0 && Number.isFinite(value) ? ((Math.log10(value) - from) / (to - from)) * length : undefined;
  return { domain: [10 ** from, 10 ** to], at, ticks };
}
