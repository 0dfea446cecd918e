import { join } from "node:path";
import type { TrainAndTest } from "../api/datasets.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import { trainingSets } from "../api/training-sets.node.js";
import { usingBackend } from "../backend/using-backend.node.js";
import { yieldToEvents } from "../core/yield.js";
import { classCounts } from "../data/class-counts.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import { configFor } from "../recipe/training-setup.js";
import { DivergenceError } from "../train/divergence.js";
import { RateRecorder, type RateTest, rateOfStep, rateTestSteps } from "../train/rate-test.js";
import { Trainer } from "../train/trainer.js";
import { prepareTraining, readTraining } from "./prepare.node.js";
import { fieldsOf, type TrainFrom, type TrainOptions } from "./train.node.js";
import { trainingLoaders } from "./training-loaders.node.js";

export type { RateStep, RateTest } from "../train/rate-test.js";

/** As those of a training; what only a run needs, as its folder, is not looked at. */
export interface FindRateOptions extends Omit<TrainOptions, "onStep"> {
  /** Told of each step that is done, with the loss of its batch. */
  readonly onStep?: (done: number, total: number, loss: number) => void;
}

/**
 * A learning-rate range test (Smith 2017, section 3.3): 150 steps of the training that these arguments ask for, from the net's start, while
 * the learning rate rises exponentially from 0.0001 to 10 (AdamW: 0.000001 to 1), until the loss diverges. The net is thrown away: the one
 * that was given stays as it is. The same seed gives the same numbers, whatever the number of threads.
 * @param start a net of these classes, or a net to begin from
 * @param data a folder, a known name ("fashion-mnist"), or data sets
 * @throws UserError as `train`
 */
export async function findLearningRate(
  start: Model | TrainFrom,
  data: string | TrainAndTest | TrainingSets,
  options: FindRateOptions = {},
): Promise<RateTest> {
  const { onStep, ...others } = options;
  const { signal, onRemark } = others;
  const fields = fieldsOf(others);
  const training = await readTraining(start, fields);
  const sets = await trainingSets(data, { ...options, seed: training.asked.seed });
  const prepared = await prepareTraining(training, sets, fields);
  for (const remark of prepared.remarks) onRemark?.(remark);
  return usingBackend(options, async (backend) => {
    const { model, fields: whole } = await prepared.complete(backend);
    const config = configFor(model, whole);
    const loaders = await trainingLoaders(backend, model, sets, config, options);
    const trainer = new Trainer(backend, model, config, classCounts(sets.train));
    const recorder = new RateRecorder(Math.log(model.architecture.classes));
    try {
      let step = 0;
      for (let epoch = 0; step < rateTestSteps; epoch++) {
        for await (const batch of loaders.train.epoch(epoch)) {
          if (step >= rateTestSteps || signal?.aborted) return recorder.result();
          const rate = rateOfStep(config.optimizer, step);
          const loss = trainer.step(batch, rate, epoch, step);
          step++;
          onStep?.(step, rateTestSteps, loss);
          if (!recorder.add(rate, loss)) return recorder.result();
          await yieldToEvents();
        }
      }
      return recorder.result();
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      recorder.diverge();
      return recorder.result();
    } finally {
      trainer.dispose();
      await loaders.dispose();
    }
  });
}

/** Draws a test into a folder that is there. @returns the files */
export async function drawRateTest(folder: string, title: string, test: RateTest): Promise<readonly string[]> {
  // The plotting libraries take half a second to load: only where something is drawn.
  const [{ rateTestSvg }, { svgToPng }] = await Promise.all([
    import("../report/rate-test.js"),
    import("../report/png.node.js"),
  ]);
  const svg = rateTestSvg(title, test);
  const files = [join(folder, "learning-rate.svg"), join(folder, "learning-rate.png")] as const;
  await writeFileAtomically(files[0], svg);
  await writeFileAtomically(files[1], await svgToPng(svg));
  return files;
}
