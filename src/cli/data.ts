import { Command } from "commander";
import { trainAndTest } from "../api/datasets.node.js";
import { type DatasetDescription, describeDataset } from "../data/describe.node.js";
import { withOutputOptions } from "./options.js";
import { type OutputOptions, Terminal } from "./terminal.js";

interface Options extends OutputOptions {
  readonly strict?: boolean;
}

export function dataCommand(): Command {
  return withOutputOptions(
    new Command("data")
      .description("look through a data set: classes, sizes, broken files, duplicates, leaks from training to test")
      .argument("<data>", 'folder, "fashion-mnist" or "fashion-mnist-subset"')
      .option("--strict", "a broken picture is an error"),
  ).action(run);
}

async function run(data: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const { train, test } = await trainAndTest(data, options);
  const progress = terminal.progress("reading", train.length + test.length, "img");
  const {
    train: first,
    test: second,
    leaked,
  } = await describeDataset(train, test, {
    onProgress: (done) => progress.update(done),
  });
  progress.stop();
  const splits = second ? [first, second] : [first];
  terminal.sayEachSkipped(splits.flatMap((split) => split.skipped));
  terminal.result({ train: first, test: second ?? null, leaked }, () =>
    [
      terminal.table(
        ["class", ...splits.map((split) => split.name)],
        first.classes.map(({ name, pictures }, c) => [
          name,
          pictures,
          ...(second ? [second.classes[c]!.pictures] : []),
        ]),
      ),
      ...splits.map(summary),
      ...(leaked.length > 0
        ? [`! ${leaked.length} test pictures are in the training set too: accuracy will look too good`]
        : []),
    ].join("\n"),
  );
}

function summary(d: DatasetDescription): string {
  const sizes = d.sizes.slice(0, 3).map(({ width, height, pictures }) => `${width}×${height} (${pictures})`);
  const remarks = [
    `${d.pictures} pictures, ${d.channels === 1 ? "grey" : "RGB"}, ${sizes.join(", ")}${d.sizes.length > 3 ? " and others" : ""}`,
    d.imbalance >= 3 ? `! the largest class has ${d.imbalance.toFixed(1)} × the pictures of the smallest` : "",
    d.duplicates > 0 ? `${d.duplicates} duplicates` : "",
    d.contradictions > 0 ? `! ${d.contradictions} pictures occur under several classes` : "",
    d.skipped.length > 0 ? `! ${d.skipped.length} files cannot be used` : "",
  ];
  return `${d.name}: ${remarks.filter(Boolean).join("; ")}`;
}
