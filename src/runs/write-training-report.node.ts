import type { Backend } from "../backend/backend.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { reportPage } from "../report/report-page.js";
import { trainingFacts } from "./gather-facts.node.js";
import type { FinishedRun } from "./training-facts.js";
import { trainingReport } from "./training-page.js";

/** Writes a report on a run. It is looked at once and never needed: what goes wrong is told, and nothing is thrown. */
export async function writeTrainingReport(
  file: string,
  run: FinishedRun,
  backend: Backend,
  onRemark: ((sentence: string) => void) | undefined,
): Promise<void> {
  try {
    await writeFileAtomically(file, reportPage(trainingReport(await trainingFacts(run, backend))));
  } catch (error) {
    onRemark?.(`! ${file} could not be made: ${error instanceof Error ? error.message : String(error)}`);
  }
}
