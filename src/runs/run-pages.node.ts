import { statSync } from "node:fs";
import type { Backend } from "../backend/backend.js";
import type { Dataset } from "../data/dataset.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import type { EpochRecord } from "../train/history.js";
import type { RunDirectory } from "../train/run-directory.node.js";
import type { FinishedRun } from "./training-facts.js";

/** Writes the run's report, where it has none. */
export async function reportOn(
  run: RunDirectory,
  finished: FinishedRun,
  backend: Backend,
  onRemark?: (sentence: string) => void,
): Promise<void> {
  const file = run.file("report.html");
  // What is no file is in the way: it will be said.
  if (statSync(file, { throwIfNoEntry: false })?.isFile()) return;
  // What draws reports takes a moment to load: only where one is made.
  const { writeTrainingReport } = await import("./write-training-report.node.js");
  await writeTrainingReport(file, finished, backend, onRemark);
}

/** Draws the run's curves. */
export async function drawCurves(
  run: RunDirectory,
  epochs: readonly EpochRecord[],
  model: Model,
  train: Dataset,
): Promise<void> {
  // The plotting libraries take half a second to load: only where something is drawn.
  const [{ curvesSvg }, { svgToPng }] = await Promise.all([
    import("../report/curves.js"),
    import("../report/png.node.js"),
  ]);
  const svg = curvesSvg(`RepVGG ${model.architecture.name} on ${train.name}`, epochs);
  await writeFileAtomically(run.file("curves.svg"), svg);
  await writeFileAtomically(run.file("curves.png"), await svgToPng(svg));
}
