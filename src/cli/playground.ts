import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { UserError } from "../core/errors.js";
import { wholeNumber, withOutputOptions } from "../flags/options.js";
import { serveFiles } from "../serve/static-files.node.js";
import { untilInterrupted } from "../terminal/signals.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";

interface Options extends OutputOptions {
  readonly port: number;
  readonly host: string;
}

/** The page as it is built into the package. */
const builtPage = fileURLToPath(new URL("../../playground/dist", import.meta.url));

const examples = `
Examples:
  repvgg playground            http://127.0.0.1:8321, until Ctrl-C
  repvgg playground --port 0   any port that is free`;

export function playgroundCommand(): Command {
  return withOutputOptions(
    new Command("playground")
      .description("Serve the playground to browsers of this machine, until Ctrl-C. Nothing leaves the machine.")
      .addHelpText("after", examples)
      .optionsGroup("Server:")
      .option("--port <n>", "port to listen on (0: any that is free)", wholeNumber(0, 65_535), 8321)
      .option("--host <address>", "address to listen on", "127.0.0.1"),
  ).action((options: Options) => run(options));
}

/** What the page shows and trains on, below `shared/` (playground/vite.config.ts), where the page has no such folder of its own: in the npm package. */
const assets = fileURLToPath(new URL("../../assets", import.meta.url));

/** @param folder of the built page */
export async function run(options: Options, folder = builtPage): Promise<void> {
  if (!existsSync(join(folder, "index.html"))) {
    throw new UserError({
      expected: `the built playground in ${folder}`,
      received: "none",
      remedy: "build it with npm run build",
    });
  }
  const { port, host } = options;
  const shared = join(folder, "shared");
  const folders = { "/": folder, "/shared/": existsSync(shared) ? shared : assets };
  const site = await serveFiles({ folders, port, host });
  const terminal = new Terminal(options);
  terminal.result({ url: site.url }, () => `the playground is at ${site.url}`);
  terminal.say("Ctrl-C ends it");
  await untilInterrupted();
  await site.close();
}
