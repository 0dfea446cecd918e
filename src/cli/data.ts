import { Command } from "commander";
import { type LabelColumns, surveyData } from "../api/datasets.node.js";
import type { DatasetDescription } from "../data/description.js";
import { describeIgnored } from "../data/ignored-files.js";
import { describeDataWarning } from "../data/warnings.js";
import { plural, wholeCount } from "../terminal/format.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";
import { strictOption, withColumnOptions, withOutputOptions } from "./options.js";

interface Options extends OutputOptions, LabelColumns {
  readonly strict?: boolean;
}

const examples = `
Examples:
  repvgg data path/to/pictures
  repvgg data path/to/pictures --strict --json   for a script: an unreadable picture is an error`;

export function dataCommand(): Command {
  const command = withColumnOptions(
    new Command("data")
      .description(
        "Read all of a data set: classes, sizes, broken files, duplicates and lookalikes, leaks from training to test.",
      )
      .addHelpText("after", examples)
      .argument("<data>", 'folder, list of labels (.csv), "fashion-mnist" or "fashion-mnist-subset"')
      .optionsGroup("Data:")
      .addOption(strictOption()),
  );
  return withOutputOptions(command).action(run);
}

async function run(place: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
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
