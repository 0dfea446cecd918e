import { pixelWarnings } from "../analysis/diagnosis/preprocessing.js";
import type { TrainingSets } from "../api/training-sets.js";
import { createLoader } from "../data/loader.node.js";
import type { Model } from "../nn/model.js";
import { balanceRemedy } from "../recipe/balance.js";
import { datasetStatistics } from "../recipe/statistics.js";
import { isUntrained } from "../recipe/training-setup.js";
import { quickChecks } from "../survey/quick-checks.node.js";
import { describeDataWarning } from "../survey/warnings.js";
import type { TrainConfig } from "../train/config.js";

/** What can be seen quickly before training: unbalanced classes, pictures of one part in another, a net of other pictures. */
export async function startWarnings(
  model: Model,
  { train, validation, test }: TrainingSets,
  config: TrainConfig,
): Promise<string[]> {
  const { preprocessing } = model.metadata;
  const strange = isUntrained(model)
    ? []
    : pixelWarnings(await datasetStatistics(train, preprocessing, createLoader), preprocessing);
  const found = await quickChecks({ train, validation, test });
  const data = found.map((warning) => balanceRemedy(warning, config));
  const untested = test ? [] : [describeUntested(validation !== undefined)];
  return [...untested, ...data.map(describeDataWarning), ...strange.map(({ message }) => message)];
}

function describeUntested(judged: boolean): string {
  return judged
    ? "there are no test pictures: the only figures are those of the validation pictures, which choose the epoch and make it look a little too good"
    : "there are no test pictures and nothing is held out: no accuracy is measured";
}
