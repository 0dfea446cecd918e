import { basename } from "node:path";
import { Command, Option } from "commander";
import { trainAndTest } from "../api/datasets.node.js";
import { freshModel } from "../api/fresh-model.node.js";
import { loadModel } from "../api/model-files.node.js";
import { resume, type TrainOptions, type TrainProcessOptions, type TrainResult, train } from "../api/train.node.js";
import { UserError } from "../core/errors.js";
import { augmentationPresets } from "../data/augmentation/config.js";
import type { ArchitectureSpec } from "../nn/build-architecture.js";
import type { Model } from "../nn/model.js";
import type { EpochRecord } from "../train/history.js";
import { type ComputeOptions, number, wholeNumber, wholeNumbers, withComputeOptions } from "./options.js";
import { type Progress, percent, Terminal } from "./terminal.js";

interface Options extends ComputeOptions, Omit<TrainOptions, "backend" | "threads" | "signal" | "onStep" | "onEpoch"> {
  readonly model: string;
  readonly from?: string;
  readonly depths?: number[];
  readonly widths?: number[];
  readonly strides?: number[];
  readonly groups?: number;
  readonly pointwise: boolean;
  readonly identity: boolean;
  readonly size?: number;
  readonly resume?: string;
}

export function trainCommand(): Command {
  const command = withComputeOptions(
    new Command("train")
      .description("train a multi-branch net on pictures; --resume goes on with a run that was stopped")
      .argument(
        "[data]",
        'folder (class/x.jpg, or train/ and test/ of such), "fashion-mnist", or CIFAR-10 binary files',
      ),
  );
  command
    .option("--model <name>", "net of the zoo (repvgg info lists them)", "nano")
    .option("--from <file>", "begin with the weights of this model file")
    .option("--depths <list>", "blocks of each stage, as 2,4,2", wholeNumbers(1))
    .option("--widths <list>", "channels of stage 0, 1, …, as 32,32,64,128", wholeNumbers(1))
    .option("--strides <list>", "stride of each stage's first block, as 1,2,2,2", wholeNumbers(1))
    .option("--groups <n>", "groups of every second layer", wholeNumber(1))
    .option("--no-pointwise", "leave out the 1×1 branches")
    .option("--no-identity", "leave out the identity branches")
    .option(
      "--size <pixels>",
      "side of the net's input (default: that of small pictures, else the net's own)",
      wholeNumber(1, 4096),
    )
    .option("--epochs <n>", "passes over the data (default: 10)", wholeNumber(1))
    .option("--batch-size <n>", "pictures a step (default: 128)", wholeNumber(1))
    .option("--accumulate <n>", "compute a batch in n parts, for less memory", wholeNumber(1))
    .addOption(new Option("--optimizer <name>", "default: sgd").choices(["sgd", "adamw"]))
    .option("--learning-rate <x>", "after warm-up; falls to 0 along a cosine (default: 0.1)", number(0))
    .option("--warmup-epochs <x>", "epochs of rising learning rate (default: 0.5)", number(0))
    .option("--momentum <x>", "SGD's momentum or AdamW's β1 (default: 0.9)", number(0, 1))
    .option("--weight-decay <x>", "on convolution and linear weights (default: 1e-4)", number(0))
    .option("--custom-l2", "decay the equivalent kernels instead of the branches'")
    .option("--label-smoothing <x>", "default: 0", number(0, 1))
    .option("--mixup <alpha>", "default: 0, off", number(0))
    .option("--cutmix <alpha>", "default: 0, off", number(0))
    .option("--ema <decay>", "evaluate and keep a moving average of the weights (default: 0, off)", number(0, 1))
    .addOption(new Option("--augmentation <preset>", "default: by the input's size").choices(augmentationPresets))
    .option("--seed <n>", "default: 0", wholeNumber(0, 2 ** 32 - 1))
    .option(
      "--hold-out <part>",
      "of each class for testing, where the data has no test split (default: 0.1)",
      number(0, 1),
    )
    .option("--strict", "a broken picture is an error")
    .option("--workers <n>", "threads that prepare pictures", wholeNumber(0, 64))
    .option("--checkpoint-seconds <s>", "time between checkpoints inside an epoch (default: 60)", number(0))
    .option("--out <folder>", "folder of the run (default: runs/DATA-MODEL)")
    .option("--resume <folder>", "go on with the run in this folder; all its settings stay");
  return command.action(run);
}

async function run(data: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const view = new TrainingView(terminal);
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(130);
    terminal.say("\nstopping after this step (again to stop at once) …");
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const processOptions: TrainProcessOptions = { ...pickProcess(options), ...view.callbacks, signal: stop.signal };
  try {
    const result =
      options.resume === undefined
        ? await begin(data, options, processOptions, terminal)
        : await resume(options.resume, processOptions);
    view.stop();
    report(terminal, result);
    if (result.interrupted) process.exitCode = 130;
  } finally {
    view.stop();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

async function begin(
  data: string | undefined,
  options: Options,
  processOptions: TrainProcessOptions,
  terminal: Terminal,
): Promise<TrainResult> {
  if (data === undefined) {
    throw new UserError({
      expected: "data to train on, or --resume",
      received: "neither",
      remedy: "for example: repvgg train fashion-mnist-subset",
    });
  }
  const {
    model: name,
    from,
    depths,
    widths,
    strides,
    groups,
    pointwise,
    identity,
    size,
    resume: _,
    json,
    quiet,
    ...rest
  } = options;
  const sets = await trainAndTest(data, { ...options, seed: options.seed ?? 0 });
  const spec: ArchitectureSpec = {
    ...(depths && { depths }),
    ...(widths && { widths }),
    ...(strides && { strides }),
    ...(groups !== undefined && { groups }),
    ...((!pointwise || !identity) && { branches: { pointwise, identity } }),
  };
  const model: Model = from
    ? await loadModel(from)
    : await freshModel(name, sets.train, {
        ...spec,
        seed: options.seed ?? 0,
        ...(size !== undefined && { inputSize: size }),
      });
  const out = options.out ?? `runs/${basename(data)}-${from ? "finetuned" : name.toLowerCase()}`;
  terminal.say(
    `RepVGG ${model.architecture.name} on ${sets.train.name}: ${sets.train.length} pictures to train on, ${sets.test.length} to test on; run folder ${out}`,
  );
  return train(model, data, { ...rest, ...processOptions, out });
}

function pickProcess(options: Options): TrainProcessOptions {
  const { threads, workers, checkpointSeconds, strict } = options;
  return {
    ...(threads !== undefined && { threads }),
    ...(workers !== undefined && { workers }),
    ...(checkpointSeconds !== undefined && { checkpointSeconds }),
    ...(strict !== undefined && { strict }),
  };
}

function report(terminal: Terminal, result: TrainResult): void {
  terminal.sayEachSkipped(result.skipped);
  const last = result.epochs.at(-1);
  const best = result.epochs.reduce<EpochRecord | undefined>(
    (a, b) => (a && a.testTop1 >= b.testTop1 ? a : b),
    undefined,
  );
  const { out, interrupted } = result;
  terminal.result({ out, interrupted, last: last ?? null, best: best ?? null }, () => {
    if (interrupted) return `stopped; go on with: repvgg train --resume ${out}`;
    return [
      `test top-1 ${percent(last!.testTop1)} after ${last!.epoch} epochs (best ${percent(best!.testTop1)} after ${best!.epoch})`,
      `${out}/model.safetensors, ${out}/curves.png; next: repvgg fold ${out}/model.safetensors -o plain.safetensors`,
    ].join("\n");
  });
}

/** A bar an epoch, and a line for each that is done. */
export class TrainingView {
  readonly #terminal: Terminal;
  #bar: Progress | undefined;
  #epoch = -1;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  get callbacks(): Pick<TrainProcessOptions, "onStep" | "onEpoch"> {
    return {
      onStep: (position, loss, stepsPerEpoch) => {
        if (position.epoch !== this.#epoch) {
          this.stop();
          this.#epoch = position.epoch;
          this.#bar = this.#terminal.progress(`epoch ${position.epoch + 1}`, stepsPerEpoch, "steps");
        }
        this.#bar?.update(
          position.stepInEpoch,
          `loss ${(position.lossSum / position.stepInEpoch).toFixed(3)}, last ${loss.toFixed(3)}`,
        );
      },
      onEpoch: (record) => {
        this.stop();
        this.#terminal.say(
          `epoch ${record.epoch}: train loss ${record.trainLoss.toFixed(4)}, test loss ${record.testLoss.toFixed(4)}, test top-1 ${percent(record.testTop1)}`,
        );
      },
    };
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
