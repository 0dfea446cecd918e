import { Command } from "commander";
import { byteSize } from "../core/format.js";
import { withOutputOptions } from "../flags/options.js";
import { type Pushed, type PushOptions, push } from "../hub/push.node.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { interruptible } from "../terminal/interrupt.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";

type Options = OutputOptions &
  Pick<PushOptions, "license" | "branch" | "private" | "onnx" | "card" | "force" | "dryRun">;

const examples = `
Examples:
  repvgg push runs/photos-nano me/photos-nano --license mit --dry-run   what would go there
  repvgg push runs/photos-nano me/photos-nano --license mit             needs @huggingface/hub, and a token in HF_TOKEN
  repvgg push plain.safetensors me/photos-nano --onnx --force           a file, with model.onnx beside it, over what is there`;

export function pushCommand(): Command {
  return withOutputOptions(
    new Command("push")
      .description(
        "Put a net on the Hugging Face hub: weights, config.json in timm's form, model card. Honours HF_ENDPOINT and HF_TOKEN.",
      )
      .addHelpText("after", examples)
      .argument("<net>", "folder of a run, or a file of a RepVGG")
      .argument("<repository>", "owner/name; it is made where there is none")
      .optionsGroup("Push:")
      .option("--license <name>", "as the hub names it: mit, apache-2.0, cc-by-4.0 (default: what the card states)")
      .option("--dry-run", "ask nobody, write nothing: list the files and their sizes")
      .option("--private", "a repository that is made is seen by its owner only")
      .option("--branch <name>", "branch (default: main)")
      .option("--onnx", "also model.onnx, folded")
      .option("--no-card", "leave README.md as it is there")
      .option("--force", "write over files that are there with another content"),
  ).action(run);
}

async function run(source: string, repository: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const pushed = await interruptible(
    terminal,
    (signal) =>
      push(source, repository, { ...options, signal, onFile: bars(terminal) }).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      }),
    "stopping …",
  );
  if (!pushed) {
    terminal.say("stopped: nothing was changed on the hub, unless it was just done");
    process.exitCode = exitCodes.interrupted;
    return;
  }
  terminal.result({ ...pushed, commit: pushed.commit ?? null, dryRun: options.dryRun ?? false }, () =>
    [
      terminal.table(
        ["file", "size", ...(options.dryRun ? [] : ["there before"])],
        pushed.files.map(({ name, bytes, there }) => [name, byteSize(bytes), ...(there === undefined ? [] : [there])]),
      ),
      outcome(pushed, options),
    ].join("\n"),
  );
}

function outcome({ repository, url, commit, created, license }: Pushed, { dryRun }: Options): string {
  if (dryRun) return `nothing was pushed; without --dry-run these go to ${repository}, licence ${license}`;
  if (commit === undefined) return `${url} has all of it already`;
  return `${created ? "made" : "pushed to"} ${url}, commit ${commit.slice(0, 8)}, licence ${license}`;
}

/** A bar for each file. */
function bars(terminal: Terminal): (file: string, share: number) => void {
  const shown = new Map<string, (done: number, total: number) => void>();
  return (file, share) => {
    const show = shown.get(file) ?? terminal.counting(file, "%");
    shown.set(file, show);
    show(Math.round(100 * share), 100);
  };
}
