import { existsSync, readdirSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import sharp from "sharp";
import { counts } from "../analysis/counts.js";
import { compareLatency } from "../analysis/latency.js";
import { evaluate } from "../api/evaluate.node.js";
import { fold } from "../api/fold.js";
import { saveModel } from "../api/model-files.node.js";
import { predictAll } from "../api/predict.node.js";
import { trainingSets } from "../api/training-sets.node.js";
import { verify } from "../api/verify.node.js";
import type { Backend } from "../backend/backend.js";
import { type ComputeOptions as ApiComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { UserError, VerificationError } from "../core/errors.js";
import type { Dataset, Image } from "../data/dataset.js";
import { createSession } from "../engine/session.js";
import { type ComputeOptions, wholeNumber, withComputeOptions } from "../flags/options.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { freshModel } from "../recipe/fresh-model.node.js";
import { svgToPng } from "../report/png.node.js";
import { predictionsSvg } from "../report/predictions.node.js";
import { train } from "../runs/train.node.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { byteSize, percent, shortNumber, wholeCount } from "../terminal/format.js";
import { interruptible } from "../terminal/interrupt.js";
import { Terminal } from "../terminal/terminal.js";
import { trainingView } from "./training-view.js";

interface Options extends ComputeOptions {
  readonly out: string;
  readonly epochs: number;
  readonly seed: number;
  readonly report: boolean;
}

/** The largest difference of a logit that rounding in float32 explains. */
const logitTolerance = 1e-4;
const data = "fashion-mnist-subset";

const examples = `
Examples:
  repvgg quickstart   about a minute; the files are in runs/quickstart
  repvgg quickstart --epochs 1 --kernels wasm

Exit code 2: the two forms differ.`;

export function quickstartCommand(): Command {
  return withComputeOptions(
    new Command("quickstart")
      .description(
        "The whole job in small: train a multi-branch net on shipped pictures, fold it, prove both forms equal, predict.",
      )
      .addHelpText("after", examples)
      .optionsGroup("Run:")
      .option("--out <folder>", "where everything goes (an earlier run there is replaced)", "runs/quickstart")
      .option("--epochs <n>", "passes over the pictures", wholeNumber(1), 8)
      .option("--seed <n>", "of weights and order", wholeNumber(0, 2 ** 32 - 1), 0)
      .option("--no-report", "make no report.html of the training"),
  ).action(run);
}

async function run(options: Options): Promise<void> {
  const terminal = new Terminal(options);
  makeRoom(options.out);
  await usingBackend(options, (backend) => wholeJob(terminal, options, backend));
}

async function wholeJob(terminal: Terminal, { out, epochs, seed, report }: Options, backend: Backend): Promise<void> {
  const started = performance.now();
  const sets = await trainingSets(data, { seed });
  const pictures = sets.test!;
  const fresh = await freshModel("nano", sets.train, { seed });
  terminal.say(
    `1. Train RepVGG nano (3×3, 1×1 and identity branches) on ${wholeCount(sets.train.length)} pictures of ${data}`,
  );
  const { model, chosen, test, interrupted } = await interruptible(terminal, (signal) =>
    train(fresh, sets, {
      backend,
      signal,
      ...trainingView(terminal),
      onRemark: (sentence) => terminal.say(sentence),
      ...{ epochs, seed, out, report, batchSize: 64, augmentation: "flip" },
    }),
  );
  if (interrupted || !test || !chosen) {
    terminal.result({ out, interrupted }, () => `stopped; go on with: repvgg train --resume ${out}`);
    process.exitCode = exitCodes.interrupted;
    return;
  }

  terminal.say("2. Fold the branches of every block into one 3×3 convolution");
  const plain = fold(model);
  const files = {
    model: join(out, "plain.safetensors"),
    curves: join(out, "curves.png"),
    ...(existsSync(join(out, "report.html")) && { report: join(out, "report.html") }),
    predictions: join(out, "predictions.png"),
    picture: join(out, "pictures", `${fileName(pictures.classNames.at(-1)!)}.png`),
  };
  await saveModel(plain, files.model);

  terminal.say(`3. Compare both forms on all ${wholeCount(pictures.length)} test pictures`);
  const verification = await verify(model, plain, { backend, data: pictures });
  const top1 = {
    train: test.top1,
    plain: (await evaluate(plain, pictures, { backend })).top1,
  };
  const cost = measure(model, plain, backend);

  terminal.say("4. Look at pictures that the net has never seen\n");
  await drawPredictions(plain, pictures, files.predictions, { backend });
  await saveExamples(pictures, join(out, "pictures"));

  const { parameters } = counts(model.architecture, model.metadata.preprocessing.size);
  const result = {
    seconds: (performance.now() - started) / 1000,
    testImages: verification.samples,
    top1,
    differentAnswers: verification.top1Disagreements,
    maxAbsoluteLogitDifference: verification.outputs.maxAbsolute,
    parameters,
    ...cost,
    files,
  };
  terminal.result(result, () =>
    [
      terminal.table(
        ["", "training form", "plain form"],
        [
          ["test accuracy (top-1)", ...pair(top1, percent)],
          ["parameters", ...pair(parameters, wholeCount)],
          ["nodes of the graph", ...pair(cost.nodes, String)],
          ["peak activation memory", ...pair(cost.peakActivationBytes, byteSize)],
          ["latency, one picture", ...pair(cost.milliseconds, (ms) => `${shortNumber(ms)} ms`)],
        ],
      ),
      `On ${wholeCount(result.testImages)} test pictures the two forms give ${result.differentAnswers} different answers; max |Δlogit| ${shortNumber(result.maxAbsoluteLogitDifference)}.`,
      "",
      `Model        ${files.model}`,
      `Curves       ${files.curves}`,
      `Predictions  ${files.predictions}`,
      ...(files.report ? [`Report       ${files.report}`] : []),
      "",
      `Next  npx repvgg predict ${files.model} ${files.picture}`,
      "      npx repvgg train path/to/pictures              your own classes, one folder each",
      "      npx repvgg train fashion-mnist --model tiny    all 60,000 pictures",
    ].join("\n"),
  );
  if (result.differentAnswers > 0 || !(result.maxAbsoluteLogitDifference <= logitTolerance)) {
    throw new VerificationError({
      expected: `both forms to give the same answers, logits within ${logitTolerance}`,
      received: `${result.differentAnswers} different answers, a difference of ${shortNumber(result.maxAbsoluteLogitDifference)}`,
      remedy: `see where they part: npx repvgg verify ${join(out, "model.safetensors")} ${files.model}`,
    });
  }
}

/** Removes an earlier run. @throws UserError for a folder with other things in it, which nobody wants to lose. */
function makeRoom(out: string): void {
  if (!existsSync(out)) return;
  if (!existsSync(join(out, "config.json")) && readdirSync(out).length > 0) {
    throw new UserError({
      expected: "an empty folder, or an earlier run to replace",
      received: `${out}, which holds other files`,
      remedy: "name another folder by --out",
    });
  }
  rmSync(out, { recursive: true });
}

function pair<T>(values: { train: T; plain: T }, text: (value: T) => string): [string, string] {
  return [text(values.train), text(values.plain)];
}

/** What one picture costs in each form, BatchNorm and branches as they stand. */
function measure(model: Model, plain: Model, backend: Backend) {
  const { channels, size } = model.metadata.preprocessing;
  const shape = [1, channels, ...size];
  const graphs = [toGraph(model), toGraph(plain)] as const;
  const a = createSession(graphs[0], { backend, shape, fuseBatchNorm: false });
  const b = createSession(graphs[1], { backend, shape, fuseBatchNorm: false });
  const input = { shape, data: new Float32Array(channels * size[0] * size[1]).fill(0.5) };
  const latency = compareLatency(a, b, input, { repeats: 200, warmup: 50 });
  const result = {
    nodes: { train: graphs[0].nodes.length, plain: graphs[1].nodes.length },
    peakActivationBytes: { train: a.plan().peakActivationBytes, plain: b.plan().peakActivationBytes },
    milliseconds: { train: latency.a.median, plain: latency.b.median },
  };
  a.dispose();
  b.dispose();
  return result;
}

async function drawPredictions(model: Model, test: Dataset, file: string, compute: ApiComputeOptions): Promise<void> {
  const count = 32;
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * test.length) / count));
  const images = await Promise.all(indices.map((i) => test.read(i)));
  const predictions = await predictAll(model, images, { ...compute, top: 1 });
  const pictures = images.map((image, i) => ({
    ...image,
    truth: test.classNames[test.label(indices[i]!)]!,
    predicted: predictions[i]![0]!.name,
    probability: predictions[i]![0]!.probability,
  }));
  const right = pictures.filter(({ truth, predicted }) => truth === predicted).length;
  const title = `RepVGG ${model.architecture.name}, plain form: ${right} of ${count} test pictures right`;
  await writeFileAtomically(file, await svgToPng(await predictionsSvg(title, pictures)));
}

/** A test picture of each class as a PNG file, to try `predict` on. */
async function saveExamples(test: Dataset, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const labels = Array.from({ length: test.length }, (_, i) => test.label(i));
  await Promise.all(
    test.classNames.map(async (name, label) => {
      const image = await test.read(labels.indexOf(label));
      await writeFileAtomically(join(folder, `${fileName(name)}.png`), await encodePng(image));
    }),
  );
}

function encodePng({ data, width, height, channels }: Image): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels } }).png().toBuffer();
}

/** "T-shirt/top" → "t-shirt-top" */
function fileName(className: string): string {
  return className.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}
