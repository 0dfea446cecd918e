import { rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { counts } from "../analysis/counts.js";
import { compareLatency } from "../analysis/latency.js";
import { usingBackend } from "../api/backend.node.js";
import { trainAndTest } from "../api/datasets.node.js";
import { evaluate } from "../api/evaluate.node.js";
import { fold } from "../api/fold.js";
import { freshModel } from "../api/fresh-model.node.js";
import { saveModel } from "../api/model-files.node.js";
import { predictAll } from "../api/predict.node.js";
import { train } from "../api/train.node.js";
import { verify } from "../api/verify.node.js";
import { VerificationError } from "../core/errors.js";
import type { Dataset } from "../data/dataset.js";
import { createSession } from "../engine/session.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { svgToPng } from "../report/png.node.js";
import { predictionsSvg } from "../report/predictions.node.js";
import { type ComputeOptions, wholeNumber, withComputeOptions } from "./options.js";
import { byteSize, percent, shortNumber, Terminal } from "./terminal.js";
import { TrainingView } from "./train.js";

interface Options extends ComputeOptions {
  readonly out: string;
  readonly epochs: number;
  readonly seed: number;
}

/** The largest difference of a logit that rounding in float32 explains. */
const logitTolerance = 1e-4;
const data = "fashion-mnist-subset";

export function quickstartCommand(): Command {
  return withComputeOptions(
    new Command("quickstart")
      .description(
        "the whole job in small: train a multi-branch net on shipped pictures, fold it, prove both forms equal, predict",
      )
      .option("--out <folder>", "where everything goes (replaced)", "runs/quickstart")
      .option("--epochs <n>", "passes over the pictures", wholeNumber(1), 8)
      .option("--seed <n>", "of weights and order", wholeNumber(0), 0),
  ).action(run);
}

async function run(options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const { out, epochs, seed } = options;
  const compute = options.threads === undefined ? {} : { threads: options.threads };
  const started = performance.now();

  const sets = await trainAndTest(data);
  const fresh = await freshModel("nano", sets.train, { seed });
  terminal.say(`1. Train RepVGG nano (3×3, 1×1 and identity branches) on ${sets.train.length} pictures of ${data}`);
  rmSync(out, { recursive: true, force: true });
  const view = new TrainingView(terminal);
  const { model } = await train(fresh, data, { ...compute, ...view.callbacks, epochs, seed, batchSize: 64, out });
  view.stop();

  terminal.say("2. Fold the branches of every block into one 3×3 convolution");
  const plain = fold(model);
  const plainFile = join(out, "plain.safetensors");
  await saveModel(plain, plainFile);

  terminal.say(`3. Compare both forms on all ${sets.test.length} test pictures`);
  const verification = await verify(model, plain, { ...compute, data: sets.test });
  const forms = await Promise.all([model, plain].map((form) => evaluate(form, sets.test, compute)));
  const cost = await measure(model, plain, compute);

  terminal.say("4. Look at pictures that the net has never seen\n");
  await drawPredictions(plain, sets.test, join(out, "predictions.png"), compute);

  const [trainForm, plainForm] = forms as [(typeof forms)[0], (typeof forms)[0]];
  const { parameters } = counts(model.architecture, model.metadata.preprocessing.size);
  const result = {
    seconds: (performance.now() - started) / 1000,
    testImages: verification.samples,
    top1: { train: trainForm.top1, plain: plainForm.top1 },
    differentAnswers: verification.top1Disagreements,
    maxAbsoluteLogitDifference: verification.outputs.maxAbsolute,
    parameters,
    ...cost,
    files: { model: plainFile, curves: join(out, "curves.png"), predictions: join(out, "predictions.png") },
  };
  terminal.result(result, () =>
    [
      terminal.table(
        ["", "training form", "plain form"],
        [
          ["test accuracy (top-1)", percent(result.top1.train), percent(result.top1.plain)],
          ["parameters", ...pair(parameters, (n) => n.toLocaleString("en"))],
          ["nodes of the graph", ...pair(result.nodes, String)],
          ["peak activation memory", ...pair(result.peakActivationBytes, byteSize)],
          ["latency, one picture", ...pair(result.milliseconds, (ms) => `${shortNumber(ms)} ms`)],
        ],
      ),
      `On ${result.testImages} test pictures the two forms give ${result.differentAnswers} different answers; max |Δlogit| ${shortNumber(result.maxAbsoluteLogitDifference)}.`,
      "",
      `Model        ${plainFile}`,
      `Curves       ${result.files.curves}`,
      `Predictions  ${result.files.predictions}`,
      "",
      "Next: npx repvgg train path/to/pictures          your own classes, one folder each",
      `      npx repvgg predict ${plainFile} shoe.png`,
      "      npx repvgg train fashion-mnist --model tiny   the full 60,000 pictures",
    ].join("\n"),
  );
  if (result.differentAnswers > 0 || !(result.maxAbsoluteLogitDifference <= logitTolerance)) {
    throw new VerificationError({
      expected: `both forms to give the same answers, logits within ${logitTolerance}`,
      received: `${result.differentAnswers} different answers, a difference of ${shortNumber(result.maxAbsoluteLogitDifference)}`,
      remedy: `see where they part: npx repvgg verify ${join(out, "model.safetensors")} ${plainFile}`,
    });
  }
}

function pair<T>(values: { train: T; plain: T }, text: (value: T) => string): [string, string] {
  return [text(values.train), text(values.plain)];
}

/** What one picture costs in each form, BatchNorm and branches as they stand. */
async function measure(model: Model, plain: Model, compute: { threads?: number }) {
  return usingBackend(compute, (backend) => {
    const { channels, size } = model.metadata.preprocessing;
    const shape = [1, channels, ...size];
    const graphs = [toGraph(model), toGraph(plain)] as const;
    const sessions = graphs.map((graph) => createSession(graph, { backend, shape, fuseBatchNorm: false }));
    const [a, b] = sessions as [(typeof sessions)[0], (typeof sessions)[0]];
    const input = { shape, data: new Float32Array(channels * size[0] * size[1]).fill(0.5) };
    const latency = compareLatency(a, b, input, { repeats: 200, warmup: 50 });
    const result = {
      nodes: { train: graphs[0].nodes.length, plain: graphs[1].nodes.length },
      peakActivationBytes: { train: a.plan().peakActivationBytes, plain: b.plan().peakActivationBytes },
      milliseconds: { train: latency.a.median, plain: latency.b.median },
    };
    for (const session of sessions) session.dispose();
    return result;
  });
}

async function drawPredictions(
  model: Model,
  test: Dataset,
  file: string,
  compute: { threads?: number },
): Promise<void> {
  const count = 32;
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * test.length) / count));
  const images = await Promise.all(indices.map((i) => test.read(i)));
  const predictions = await predictAll(model, images, { ...compute, top: 1 });
  const svg = await predictionsSvg(
    `RepVGG ${model.architecture.name}, plain form, on test pictures`,
    images.map((image, i) => ({
      ...image,
      truth: test.classNames[test.label(indices[i]!)]!,
      predicted: predictions[i]![0]!.name,
      probability: predictions[i]![0]!.probability,
    })),
  );
  await writeFile(file, await svgToPng(svg));
}
