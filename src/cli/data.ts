import { Command } from "commander";
import { surveyData } from "../api/datasets.node.js";
import type { DatasetDescription } from "../data/describe.node.js";
import { plural, wholeCount } from "./format.js";
import { strictOption, withOutputOptions } from "./options.js";
import { type OutputOptions, Terminal } from "./terminal.js";

interface Options extends OutputOptions {
  readonly strict?: boolean;
}

export function dataCommand(): Command {
  return withOutputOptions(
    new Command("data")
      .summary("look through a data set for what spoils training")
      .description("Read all of a data set: classes, sizes, broken files, duplicates, leaks from training to test.")
      .argument("<data>", 'folder, "fashion-mnist" or "fashion-mnist-subset"')
      .optionsGroup("Data:")
      .addOption(strictOption()),
  ).action(run);
}

async function run(place: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const { train, test, leaked } = await surveyData(place, { ...options, onImages: terminal.counting("read", "img") });
  const splits = test ? [train, test] : [train];
  for (const file of splits.flatMap((split) => split.skipped)) terminal.saySkipped(file);
  terminal.result({ train, test: test ?? null, leaked }, () =>
    [
      terminal.table(
        ["class", ...splits.map((split) => split.name)],
        train.classes.map(({ name }, c) => [name, ...splits.map((split) => wholeCount(split.classes[c]!.pictures))]),
      ),
      ...splits.map(summary),
      ...(leaked.length > 0
        ? [`! ${plural(leaked.length, "test picture")} in the training set too: accuracy will look too good`]
        : []),
    ].join("\n"),
  );
}

function summary(d: DatasetDescription): string {
  const sizes = d.sizes
    .slice(0, 3)
    .map(({ width, height, pictures }) => `${width}×${height} (${wholeCount(pictures)})`);
  const remarks = [
    `${plural(d.pictures, "picture")}, ${d.channels === 1 ? "grey" : "RGB"}, ${sizes.join(", ")}${d.sizes.length > 3 ? " and others" : ""}`,
    d.imbalance >= 3 ? `! the largest class has ${d.imbalance.toFixed(1)} × the pictures of the smallest` : "",
    d.duplicates > 0 ? plural(d.duplicates, "duplicate") : "",
    d.contradictions > 0 ? `! ${plural(d.contradictions, "picture")} under several classes` : "",
    d.skipped.length > 0 ? `! ${plural(d.skipped.length, "file")} that cannot be used` : "",
  ];
  return `${d.name}: ${remarks.filter(Boolean).join("; ")}`;
}
