import { type BlockAlgebra, blockAlgebra } from "../analysis/block-algebra.js";
import { counts } from "../analysis/counts.js";
import { fold } from "../api/fold.js";
import { verify } from "../api/verify.node.js";
import type { Backend } from "../backend/backend.js";
import { backendKinds } from "../backend/options.js";
import { UserError } from "../core/errors.js";
import { blockLayouts } from "../nn/layout.js";
import type { Model } from "../nn/model.js";
import { describeMachine } from "../studies/bench/machine.node.js";
import { profile } from "../studies/profile/profile.node.js";
import { mistakePictures } from "./mistake-pictures.node.js";
import type { FinishedRun, TrainingFacts } from "./training-facts.js";

/** Channels of a block whose kernels are shown. */
const shownChannels = 8;

/** Multiply-accumulates of the training form beyond which nothing is timed for a report. */
const mostMacs = 4e9;

/** Multiply-accumulates that the comparison of both forms may cost: a second or two. */
const comparisonMacs = 2e10;

/** Finds out what the run itself did not tell: a few seconds of work. */
export async function trainingFacts(run: FinishedRun, backend: Backend): Promise<TrainingFacts> {
  const { model, sets, measured } = run;
  const { macs } = counts(model.architecture, model.metadata.preprocessing.size);
  const images = Math.max(4, Math.min(64, Math.floor(comparisonMacs / (macs.train + macs.plain))));
  const plain = foldable(model);
  const kind = backendKinds.find((known) => backend.name.startsWith(known));
  return {
    ...run,
    mistakes: measured ? await mistakePictures(measured.dataset, measured.evaluation.mistakes) : [],
    verification: plain && (await verify(model, plain, { backend, data: measured?.dataset ?? sets.train, images })),
    algebra: shownBlock(model),
    profile:
      macs.train > mostMacs
        ? undefined
        : await profile(model, { threads: backend.threads, repeats: 6, ...(kind && { kernels: [kind] }) }),
    machine: describeMachine(),
  };
}

function foldable(model: Model): Model | undefined {
  try {
    return fold(model);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** The first block with all branches that the net has. */
function shownBlock(model: Model): BlockAlgebra | undefined {
  if (model.architecture.block.kind !== "repvgg") return undefined;
  const layouts = blockLayouts(model.architecture);
  const { path, outChannels, inChannels, groups } = layouts.find((layout) => layout.identity) ?? layouts[1]!;
  const first = (count: number): readonly [number, number] => [0, Math.min(shownChannels, count)];
  return blockAlgebra(model, path, { outChannels: first(outChannels), inChannels: first(inChannels / groups) });
}
