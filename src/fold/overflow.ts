import { weightOf } from "../conv-algebra/linear-map.js";
import { extremes } from "../core/statistics.js";
import type { Analysis } from "../graph/analyze/analyze.js";
import type { Graph } from "../graph/graph.js";
import { elementType } from "./emit.js";
import { naturalMap } from "./form.js";
import { type Refusal, refuse } from "./refusals.js";
import type { Region } from "./select.js";

/** From here on float16 rounds to infinity; its largest number is 65504. */
const beyondHalf = 65520;

/** Why a region that would be stored as float16 cannot be: its kernel or bias does not fit. Computes the kernel, of such regions only. */
export function overflowObstacle(region: Region, graph: Graph, dtypes: Analysis["dtypes"]): Refusal | undefined {
  if (elementType(region, graph, dtypes) !== "f16") return undefined;
  const map = naturalMap(region.nodes, region.candidate, region.form);
  const largest = [weightOf(map), map.bias].reduce((most, numbers) => {
    const [low, high] = extremes(numbers);
    return Math.max(most, Math.abs(low), Math.abs(high));
  }, 0);
  if (!Number.isFinite(largest) || largest < beyondHalf) return undefined;
  const wanted = `one convolution from "${region.candidate.source}" would have numbers of ${largest.toPrecision(3)}`;
  return refuse("overflow", `${wanted}, and float16 holds up to 65504`);
}
