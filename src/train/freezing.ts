import { UserError } from "../core/errors.js";
import type { Architecture } from "../nn/architecture.js";
import { blockLayouts } from "../nn/layout.js";
import type { Freezing } from "../nn/network.js";
import type { TrainConfig } from "./config.js";

/**
 * A configuration's freezing as blocks of a net.
 * @throws UserError where the net has fewer stages
 */
export function freezingOf(
  architecture: Architecture,
  { freeze, batchNorm }: Pick<TrainConfig, "freeze" | "batchNorm">,
): Freezing {
  const layouts = blockLayouts(architecture);
  const stages = layouts.at(-1)!.stage + 1;
  if (freeze !== "all-but-head" && freeze > stages) {
    throw new UserError({
      expected: `at most ${stages} stages to freeze of ${architecture.name}, which has stage 0 to stage ${stages - 1}`,
      received: String(freeze),
      remedy: `"all-but-head" freezes them all`,
    });
  }
  const blocks = layouts.filter(({ stage }) => freeze === "all-but-head" || stage < freeze).length;
  return { blocks, statistics: batchNorm === "frozen" };
}

/** Whether training changes no BatchNorm statistics of the net. */
export function keepsStatistics(
  architecture: Architecture,
  config: Pick<TrainConfig, "freeze" | "batchNorm">,
): boolean {
  const { blocks, statistics } = freezingOf(architecture, config);
  return statistics || blocks === blockLayouts(architecture).length;
}
