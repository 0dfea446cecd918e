import { createInterface } from "node:readline/promises";
import { Argument, Command } from "commander";
import { UserError } from "../core/errors.js";
import { byteSize } from "../core/format.js";
import { number, withOutputOptions } from "../flags/options.js";
import { type CachedNet, type CacheListing, clearCache, listCache } from "../hub/stored-nets.node.js";
import { plural } from "../terminal/format.js";
import { type OutputOptions, Terminal } from "../terminal/terminal.js";

interface Options extends OutputOptions {
  readonly olderThan?: number;
  readonly yes?: boolean;
}

const examples = `
Examples:
  repvgg cache list
  repvgg cache clear timm/repvgg_a0.rvgg_in1k   asks before it removes anything
  repvgg cache clear --older-than 90 --yes      in scripts`;

export function cacheCommand(): Command {
  return withOutputOptions(
    new Command("cache")
      .description(
        "List or clear nets that were downloaded: from the hub (its cache is shared with other programs, of which nothing is touched) and from elsewhere. Honours HF_HOME and REPVGG_CACHE.",
      )
      .addHelpText("after", examples)
      .addArgument(new Argument("<action>", "what to do").choices(["list", "clear"]))
      .argument("[name]", "one net: owner/name, or the name of a file (default: all)")
      .optionsGroup("Cache:")
      .option("--older-than <days>", "only what was downloaded before so many days", number(0))
      .option("--yes", "clear without asking"),
  ).action(run);
}

async function run(action: string, name: string | undefined, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const filter = {
    ...(name !== undefined && { name }),
    ...(options.olderThan !== undefined && { olderThanDays: options.olderThan }),
  };
  const listing = await listCache(filter);
  if (action === "list") return terminal.result(listing, () => describe(listing, terminal));
  if (listing.nets.length > 0 && !options.yes && !(await agreed(listing, options, terminal))) {
    return terminal.result({ removed: [], bytes: 0 }, () => "nothing was removed");
  }
  const removed = listing.nets.length > 0 ? await clearCache(listing.nets) : [];
  const bytes = removed.reduce((sum, net) => sum + net.bytes, 0);
  terminal.result({ removed, bytes }, () =>
    removed.length === 0 ? "nothing to remove" : `removed ${plural(removed.length, "net")}, ${byteSize(bytes)}`,
  );
}

function describe(listing: CacheListing, terminal: Terminal): string {
  const { nets, bytes, folders, others } = listing;
  const beside = others > 0 ? `; ${plural(others, "other thing")} there, not ours` : "";
  if (nets.length === 0) return `no nets in ${folders.join(" and ")}${beside}`;
  return [
    terminal.table(
      ["net", "size", "downloaded"],
      nets.map((net) => [net.name, byteSize(net.bytes), age(net)]),
    ),
    `${plural(nets.length, "net")}, ${byteSize(bytes)}, in ${folders.join(" and ")}${beside}`,
  ].join("\n");
}

function age({ downloaded }: CachedNet): string {
  const days = Math.floor((Date.now() - downloaded.getTime()) / 86_400_000);
  return days < 1 ? "today" : `${plural(days, "day")} ago`;
}

/** Asks on a terminal. @throws UserError where nobody can be asked */
async function agreed(listing: CacheListing, options: Options, terminal: Terminal): Promise<boolean> {
  if (options.json || process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new UserError({
      expected: `--yes to remove ${plural(listing.nets.length, "net")} (${byteSize(listing.bytes)})`,
      received: "nobody to ask",
      remedy: "repvgg cache list shows them",
    });
  }
  process.stderr.write(`${describe(listing, terminal)}\n`);
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await asking.question("Remove them? [y/N] ")).trim());
  } finally {
    asking.close();
  }
}
