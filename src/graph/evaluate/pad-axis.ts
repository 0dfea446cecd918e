import { ShapeError } from "../../core/errors.js";
import { outside } from "./axis-table.js";
import { checkCount } from "./tensor64.js";

/** `mode` of ONNX's Pad. */
export type PadMode = "constant" | "reflect" | "edge" | "wrap";

/**
 * Which input index each output index of a padded axis shows; {@link outside} where the pad's value stands. Negative pads crop, before
 * anything is added. Edges that are reflected or wrapped further than the axis is long go on periodically, as numpy.pad's.
 * @param size of the axis
 * @returns Int32Array [begin + size + end]
 * @throws ShapeError when more is cropped than there is, or nothing is left to take from
 */
export function padAxis(size: number, begin: number, end: number, mode: PadMode): Int32Array {
  const first = Math.max(0, -begin);
  const kept = size - first - Math.max(0, -end);
  if (kept < 0) {
    throw new ShapeError({ expected: `pads that leave something of ${size}`, received: `${begin} and ${end}` });
  }
  const length = kept + Math.max(0, begin) + Math.max(0, end);
  if (mode !== "constant" && kept === 0 && length > 0) {
    throw new ShapeError({
      expected: `something to ${mode === "edge" ? "repeat" : mode} on`,
      received: `an axis of ${size} padded by ${begin} and ${end}`,
      remedy: "pad in mode constant",
    });
  }
  checkCount(length, "a padded axis");
  const sources = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const at = sourceOf(i - Math.max(0, begin), kept, mode);
    sources[i] = at === outside ? outside : at + first;
  }
  return sources;
}

/** Where position `at`, perhaps outside [0, size), is taken from. */
function sourceOf(at: number, size: number, mode: PadMode): number {
  if (at >= 0 && at < size) return at;
  switch (mode) {
    case "constant":
      return outside;
    case "edge":
      return at < 0 ? 0 : size - 1;
    case "wrap":
      return modulo(at, size);
    case "reflect": {
      const period = Math.max(1, 2 * (size - 1));
      const within = modulo(at, period);
      return within < size ? within : period - within;
    }
  }
}

function modulo(value: number, period: number): number {
  return ((value % period) + period) % period;
}
