import { shortNumber, wholeCount } from "../../core/format.js";
import type { Group } from "./group-meter.js";
import type { OutputVerification } from "./output-comparison.js";

/** What a comparison of an output found, in one clause; undefined where it is simply the same. */
export function describeOutput(output: OutputVerification): string | undefined {
  const { name, verdict, relative, nonFinite, sameNonFinite, count, worst, largest } = output;
  const place = `"${name}"${worst ? ` (${describeGroup(worst)})` : ""}`;
  switch (verdict) {
    case "same":
      return undefined;
    case "different":
      if (nonFinite > 0) {
        return `${wholeCount(nonFinite)} of ${wholeCount(count)} numbers of ${place} that are NaN or infinite, not alike on both sides`;
      }
      return `a relative error of ${shortNumber(relative)} at ${place}`;
    case "not-finite":
      return `${wholeCount(sameNonFinite)} of ${wholeCount(count)} numbers of ${place} that are NaN or infinite on both sides, which proves nothing`;
    case "constant":
      return largest === 0
        ? `"${name}" all zero on every input that was tried, which proves nothing`
        : `"${name}" the same on every input that was tried, which proves nothing`;
    case "ill-conditioned":
      return `a relative error of ${shortNumber(relative)} at ${place}, no more than the net moves by a few roundings of its own float32 weights: it is ill-conditioned, and the comparison proves nothing`;
  }
}

/** "channel 3". */
export function describeGroup({ axis, index }: Group): string {
  return axis === 1 ? `channel ${index}` : `index ${index} of axis ${axis}`;
}
