import { checkGraphStatistics, checkStatistics, type StatisticsWarning } from "../analysis/diagnosis/statistics.js";
import type { Net } from "../exchange/net.js";

/** What spoils a net's numbers wherever it came from: BatchNorm statistics that are none, weights that are NaN or infinite. */
export function netWarnings({ model, graph }: Net): StatisticsWarning[] {
  return model ? checkStatistics(model) : checkGraphStatistics(graph);
}
