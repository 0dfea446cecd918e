import { existsSync, statSync } from "node:fs";
import { Command, Option } from "commander";
import { type PictureAnswer, type PictureNet, pictureNet, predictEach } from "../api/predict-each.node.js";
import { UserError } from "../core/errors.js";
import { hasGlobMarks } from "../core/glob.js";
import { BrokenImageError } from "../data/broken-image.js";
import { hasPictureName } from "../data/file-kind.js";
import { type FoundPictures, findPictures, isAddress } from "../data/find-pictures.node.js";
import { describeIgnored } from "../data/ignored-files.js";
import { modelOf } from "../exchange/read-net.js";
import { epsilonOf, epsilonOption } from "../flags/exchange-options.js";
import { type ComputeOptions, number, wholeNumber, withComputeOptions } from "../flags/options.js";
import {
  askedPictures,
  type ClassOptions,
  type PreprocessingOptions,
  withPictureOptions,
} from "../flags/preprocessing-options.js";
import { errorParts } from "../terminal/error-json.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { duration, plural, shortNumber } from "../terminal/format.js";
import { Terminal } from "../terminal/terminal.js";
import { type Explained, PictureExplainer } from "./explained-pictures.js";
import { readClassifier } from "./net-facts.js";
import { type PredictionRow, type RowFormatName, rowFormat, rowFormats } from "./prediction-rows.js";

interface Options extends ComputeOptions, PreprocessingOptions, ClassOptions {
  readonly top: number;
  readonly threshold?: number;
  readonly format: RowFormatName;
  readonly flips?: boolean;
  readonly explain?: true | string;
  readonly class?: string;
  readonly stage?: number;
  readonly batchNormEpsilon?: number;
}

const examples = `
Examples:
  repvgg predict model.safetensors cat.jpg
  repvgg predict model.safetensors photos/ --format csv > answers.csv    a folder with all below
  repvgg predict model.safetensors "photos/**/*.{jpg,heic}"              patterns, quoted or not, on Windows too
  repvgg predict model.safetensors https://example.org/cat.jpg
  curl -s https://example.org/cat.jpg | repvgg predict model.safetensors -
  repvgg predict model.safetensors cat.jpg --threshold 0.5               below it: none of these
  repvgg predict model.safetensors cat.jpg --explain                     where it sees that: cat.explained.png
  repvgg predict model.safetensors photos --class Dog --explain folder   where it sees a dog in each

A picture that cannot be read is a row of its own; the others are answered, and the exit code is 1.`;

export function predictCommand(): Command {
  return withComputeOptions(
    withPictureOptions(
      new Command("predict")
        .description("Say what pictures show, by any net that classifies, and on request where.")
        .argument("<net>", "model file in either form, PyTorch checkpoint, safetensors, or any classifier in ONNX")
        .argument(
          "[pictures...]",
          'JPEG, PNG, WebP, GIF, AVIF or TIFF files (of several frames the first), folders, patterns, addresses, "-"',
        )
        .addHelpText("after", examples)
        .optionsGroup("Answer:")
        .option("--top <n>", "classes to show of each picture", wholeNumber(1), 5)
        .option("--threshold <p>", 'probability below which the answer is "none of these"', number(0, 1))
        .addOption(
          new Option(
            "--flips",
            "ask about each picture and its mirror image, and take the mean of both probabilities",
          ).conflicts("explain"),
        )
        .addOption(
          new Option("--format <name>", "how answers are written, as they come")
            .choices(rowFormats)
            .default("table" satisfies RowFormatName),
        )
        .option(
          "--explain [folder]",
          "draw where the class is seen (Grad-CAM): a PNG beside each picture, or in a folder",
        )
        .option("--class <name>", "with --explain: the class, by name or number (default: the likeliest)")
        .option(
          "--stage <n>",
          "with --explain: the stage that is looked at (default: the last; earlier: finer)",
          wholeNumber(0),
        )
        .optionsGroup("Source:")
        .addOption(epsilonOption()),
    ),
  ).action(run);
}

async function run(path: string, given: readonly string[], options: Options, command: Command): Promise<void> {
  const terminal = new Terminal(options);
  if (options.explain === undefined && (options.class !== undefined || options.stage !== undefined)) {
    throw new UserError({
      expected: "--explain with --class and --stage",
      received: "no --explain",
      remedy: "add --explain, or leave them out",
    });
  }
  if (options.json && options.format !== "table") {
    throw new UserError({
      expected: "only one of --json and --format",
      received: "both",
      remedy: "--format jsonl writes an object a line as answers come, --json one object at the end",
    });
  }
  const { words, explain } = sorted(given, options.explain, command);
  const pictures = findPictures(words);
  const asked = askedPictures(options);
  const net = await readClassifier(path, asked, epsilonOf(options), terminal);
  if (pictures.ignored.length > 0) terminal.say(`not looked at: ${describeIgnored(pictures.ignored)}`);
  const explainer = explain === undefined ? undefined : new PictureExplainer(modelOf(net, path), explain, options);
  const rows: PredictionRow[] = [];
  const failed = await answerAll(
    pictureNet(net, { ...asked, ...(options.flips && { flips: true }) }),
    pictures,
    options,
    terminal,
    explainer,
    (row) => rows.push(row),
  );
  if (options.json)
    terminal.result({ model: path, notes: net.source.notes, failed, pictures: rows, ...ignoredOf(pictures) }, String);
  if (failed > 0) {
    terminal.say(`repvgg: ${failed} of ${plural(pictures.names.length, "picture")} could not be read`);
    process.exitCode = exitCodes.userError;
  }
}

function ignoredOf({ ignored }: FoundPictures): { readonly ignored?: FoundPictures["ignored"] } {
  return ignored.length > 0 ? { ignored } : {};
}

/**
 * The pictures, in the order of the command line. commander takes the word after --explain for its folder, though it is a picture
 * in "--explain cat.jpg".
 */
function sorted(
  given: readonly string[],
  explain: Options["explain"],
  command: Command,
): { readonly words: readonly string[]; readonly explain: Options["explain"] } {
  const swallowed = typeof explain === "string" && namesPictures(explain, given.length === 0);
  if (given.length === 0 && !swallowed) {
    const remedy = explain === undefined ? "see repvgg predict --help" : "put --explain after the pictures";
    throw new UserError({ expected: "<pictures>", received: "nothing", remedy });
  }
  if (!swallowed) return { words: given, explain };
  const raw = (command.parent as (Command & { rawArgs?: string[] }) | null)?.rawArgs ?? [];
  const place = (word: string): number => raw.indexOf(word);
  return { words: [...given, explain].sort((a, b) => place(a) - place(b)), explain: true };
}

/** Whether a word is a picture rather than the name of a folder to write to. */
function namesPictures(word: string, nothingElse: boolean): boolean {
  if (word === "-" || isAddress(word)) return true;
  if (existsSync(word)) return statSync(word).isDirectory() ? nothingElse : true;
  return hasPictureName(word) || hasGlobMarks(word);
}

/** Answers the pictures and writes each row as it comes; under --json it is only kept. @returns how many could not be read */
async function answerAll(
  net: PictureNet,
  pictures: FoundPictures,
  options: Options,
  terminal: Terminal,
  explainer: PictureExplainer | undefined,
  keep: (row: PredictionRow) => void,
): Promise<number> {
  const { names, single } = pictures;
  const top = Math.min(options.top, net.classNames.length);
  const format = rowFormat(options.format, { top, columns: terminal.columns });
  // Rows on a terminal show themselves how far it is.
  const shown = options.json || process.stdout.isTTY !== true;
  const progress = shown && names.length > 1 ? terminal.progress("predict", names.length, "img") : undefined;
  const begin = performance.now();
  let [done, failed] = [0, 0];
  const onAnswer = async (answer: PictureAnswer): Promise<void> => {
    if ("error" in answer) {
      if (single) throw answer.error;
      failed++;
    }
    const row = rowOf(answer, options.threshold, "error" in answer ? undefined : await explainer?.draw(answer));
    if (options.json) keep(row);
    else {
      if (done === 0 && format.head) await terminal.write(format.head);
      await terminal.write(format.row(row, done));
    }
    done++;
    progress?.update(done);
  };
  try {
    await predictEach(net, names, { ...options, top }, onAnswer);
  } finally {
    progress?.stop();
  }
  const seconds = (performance.now() - begin) / 1000;
  if (names.length >= 20) {
    terminal.say(
      `${plural(names.length, "picture")} in ${duration(seconds)}, ${shortNumber(names.length / seconds)} img/s`,
    );
  }
  return failed;
}

function rowOf(answer: PictureAnswer, threshold = 0, explained?: Explained): PredictionRow {
  if ("error" in answer) {
    const { place, error } = answer;
    const parts = errorParts(error);
    // The row names the file already.
    return { file: place, error: error instanceof BrokenImageError ? { ...parts, received: error.reason } : parts };
  }
  const { place, image, predictions } = answer;
  const [first] = predictions;
  return {
    file: place,
    answer: first!.probability >= threshold ? first!.name : null,
    predictions,
    ...(image.frames !== undefined && { frames: image.frames }),
    ...(explained && { explained }),
  };
}
