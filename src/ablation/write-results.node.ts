import { reportPage } from "../report/report-page.js";
import { describeMachine } from "../studies/bench/machine.node.js";
import type { AblationResult } from "./ablate.node.js";
import { AblationDirectory } from "./ablation-directory.node.js";
import { ablationPage } from "./page.node.js";

/** Writes results.json and report.html into the ablation's folder. @returns their paths */
export async function writeAblation(result: AblationResult): Promise<{ readonly json: string; readonly html: string }> {
  const directory = AblationDirectory.open(result.out);
  const machine = describeMachine();
  const { setup, pictures, summary, remaining } = result;
  const json = { machine, setup, pictures, remaining, ...summary };
  return {
    json: await directory.writeText("results.json", `${JSON.stringify(json, null, 2)}\n`),
    html: await directory.writeText("report.html", reportPage(ablationPage(result, machine))),
  };
}
