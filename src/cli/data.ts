import { Command } from "commander";
import { type LabelColumns, surveyData } from "../api/datasets.node.js";
import { UserError } from "../core/errors.js";
import { describeIgnored } from "../data/ignored-files.js";
import { strictOption, wholeNumber, withColumnOptions, withOutputOptions } from "../flags/options.js";
import { describeSplit } from "../splitting/data-split.js";
import { type SplitDataOptions, splitData } from "../splitting/split-data.node.js";
import type { DatasetDescription } from "../survey/description.js";
import { describeDataWarning } from "../survey/warnings.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { plural, wholeCount } from "../terminal/format.js";
import { interruptible } from "../terminal/interrupt.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";

interface Options extends OutputOptions, LabelColumns, Pick<SplitDataOptions, "out" | "manifest" | "seed"> {
  readonly split?: string;
  readonly strict?: boolean;
}

const examples = `
Examples:
  repvgg data path/to/pictures
  repvgg data path/to/pictures --split 80/10/10 --out path/to/parts         copies in train/, val/ and test/
  repvgg data path/to/pictures --split 80/20 --manifest path/to/parts.csv   a list in place of copies, which train takes
  repvgg data path/to/pictures --strict --json   for a script: an unreadable picture is an error`;

export function dataCommand(): Command {
  const command = withColumnOptions(
    new Command("data")
      .description(
        "Read all of a data set: classes, sizes, broken files, duplicates and lookalikes, leaks from training to test; or divide it (--split).",
      )
      .addHelpText("after", examples)
      .argument("<data>", 'folder, list of labels (.csv), "fashion-mnist" or "fashion-mnist-subset"')
      .optionsGroup("Data:")
      .addOption(strictOption()),
  )
    .optionsGroup("Division:")
    .option(
      "--split <parts>",
      "divide the pictures: 80/20 (train/test) or 80/10/10 (train/val/test), lookalikes together",
    )
    .option("--out <folder>", "copy the parts into this new folder (train/class/x.jpg …)")
    .option(
      "--manifest <file>",
      "list the parts in this new .csv (path,class,split), which every command takes as data",
    )
    .option("--seed <n>", "of the division (default: 0)", wholeNumber(0, 2 ** 32 - 1));
  return withOutputOptions(command).action(run);
}

async function run(place: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  if (options.split !== undefined) return divide(place, { ...options, parts: options.split }, terminal);
  const [idle] = (["out", "manifest", "seed"] as const).filter((name) => options[name] !== undefined);
  if (idle) {
    throw new UserError({
      expected: `--split beside --${idle}`,
      received: "none",
      remedy: "for example --split 80/10/10",
    });
  }
  const survey = await surveyData(place, { ...options, onImages: terminal.counting("read", "img") });
  const { train, test, warnings } = survey;
  const splits = test ? [train, test] : [train];
  for (const file of splits.flatMap((split) => split.skipped)) terminal.saySkipped(file);
  terminal.result({ ...survey, test: test ?? null }, () =>
    [
      terminal.table(
        ["class", ...splits.map((split) => split.name)],
        train.classes.map(({ name }, c) => [name, ...splits.map((split) => wholeCount(split.classes[c]!.pictures))]),
      ),
      ...new Set(splits.flatMap(({ notes }) => notes)),
      ...splits.map(summary),
      ...splits.flatMap(hidden),
      ...warnings.map((warning) => `! ${describeDataWarning(warning)}`),
    ].join("\n"),
  );
}

/** Writes parts of the data in place of describing it. */
async function divide(place: string, options: SplitDataOptions, terminal: Terminal): Promise<void> {
  const split = await interruptible(
    terminal,
    (signal) =>
      splitData(place, {
        ...options,
        signal,
        onRead: terminal.counting("read", "img"),
        onCopy: terminal.counting("copy", "files"),
      }).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      }),
    "stopping …",
  );
  if (!split) {
    terminal.say("stopped; nothing was written");
    process.exitCode = exitCodes.interrupted;
    return;
  }
  for (const file of split.skipped) terminal.saySkipped(file);
  const { parts, classNames } = split;
  terminal.result(split, () =>
    [
      terminal.table(
        ["class", ...parts.map(({ name }) => name)],
        classNames.map((name, label) => [name, ...parts.map(({ byClass }) => wholeCount(byClass[label]!))]),
      ),
      ...describeSplit(split),
    ].join("\n"),
  );
}

function summary(d: DatasetDescription): string {
  const sizes = d.sizes
    .slice(0, 3)
    .map(({ width, height, pictures }) => `${width}×${height} (${wholeCount(pictures)})`);
  const remarks = [
    `${plural(d.pictures, "picture")}, ${d.channels === 1 ? "grey" : "RGB"}, ${sizes.join(", ")}${d.sizes.length > 3 ? " and others" : ""}`,
    d.animated > 0 ? `${wholeCount(d.animated)} of several frames (the first is taken)` : "",
    d.duplicates > 0 ? plural(d.duplicates, "duplicate") : "",
    d.lookalikes.length > 0
      ? `${wholeCount(d.lookalikes.length)} that ${d.lookalikes.length === 1 ? "looks" : "look"} the same as another`
      : "",
  ];
  return `${d.name}: ${remarks.filter(Boolean).join("; ")}`;
}

/** Hidden files are no warning, but nothing is left unsaid. */
function hidden({ name, ignored }: DatasetDescription): string[] {
  const unseen = ignored.filter(({ kind }) => kind.startsWith("hidden"));
  return unseen.length === 0 ? [] : [`${name}: not looked at: ${describeIgnored(unseen)}`];
}
