// docs/cli.md: the command line as its own program knows it: every command, its arguments, options, defaults, choices and examples.
import { createProgram, endings, exitCodes } from "./library.mjs";

const program = await createProgram();
/** Every command, those of commands right behind them. */
const commands = program.commands.flatMap((command) => [command, ...command.commands]);

const introduction = `# The command line

Every command with its arguments and options, made by \`npm run snapshots\` out of the program itself; a test fails when it is stale. \`repvgg COMMAND --help\` says the
same in a terminal. Without an install: \`npx repvgg COMMAND …\`.`;

const exits = {
  done: "",
  userError:
    "one line on standard error: what was expected, what was received, what to do; under `--json` the same as an object ([predict.md](predict.md#errors-as-data))",
  verificationFailed: "two nets differ, cannot be compared, or nothing was proven",
  bug: "please report it with the lines that are printed",
  interrupted: "by Ctrl-C; a training says how to go on",
};

export function cliPage() {
  const links = commands.map(
    (command) => `| [\`${path(command)}\`](#${anchor(command)}) | ${cell(command.summary())} |`,
  );
  const codes = Object.entries(exitCodes).map(
    ([ending, code]) => `| ${code} | ${endings[ending]} | ${exits[ending]} |`,
  );
  return `${[
    introduction,
    table(["command", ""], links),
    "## Exit codes",
    table(["code", "", ""], codes),
    ...commands.flatMap(describe),
  ].join("\n\n")}\n`;
}

function describe(command) {
  const { examples, notes } = afterHelp(command);
  const args = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "…" : ""}`;
    const written = argument.required ? `<${name}>` : `[${name}]`;
    return `| \`${written}\` | ${cell(...meaning(argument, command))} |`;
  });
  return [
    `## repvgg ${path(command)}`,
    command.description(),
    ["```text", `repvgg ${path(command)} ${command.usage()}`, "```"].join("\n"),
    ...(args.length > 0 ? [table(["argument", "", "default"], args)] : []),
    ...groups(command).map(([heading, options]) =>
      table(
        [heading, "", "default"],
        options.map((option) => optionRow(command, option)),
      ),
    ),
    ...notes,
    ["```sh", ...examples, "```"].join("\n"),
  ];
}

/** Heading ("Process") → its options, in the order of help. */
function groups(command) {
  const found = new Map();
  for (const option of command.options.filter(({ hidden }) => !hidden)) {
    const heading = (option.helpGroupHeading ?? "Options:").replace(/:$/, "");
    found.set(heading, [...(found.get(heading) ?? []), option]);
  }
  return [...found];
}

function optionRow(command, option) {
  return `| \`${option.flags}\` | ${cell(...meaning(option, command))} |`;
}

/** What an option or argument means, with its choices, and what it is where it is not given. Many say the latter in words. */
function meaning({ description, argChoices, defaultValue, mandatory, conflictsWith = [] }, command) {
  const [, said, aside, fallback] = /^(.*?)(?: \((?:([^()]*); )?default: (.*)\))?$/s.exec(description);
  const others = command.options.filter((option) => conflictsWith.includes(option.attributeName()));
  const parts = [
    aside ? `${said} (${aside})` : said,
    ...(argChoices ? [argChoices.map((choice) => `\`${choice}\``).join(", ")] : []),
    ...(others.length > 0 ? [`not with ${others.map(({ long }) => `\`${long}\``).join(", ")}`] : []),
  ];
  const value = defaultValue === undefined || typeof defaultValue === "boolean" ? undefined : `\`${defaultValue}\``;
  return [parts.join("; "), fallback ?? value ?? (mandatory ? "must be given" : "")];
}

/** What stands behind a command's help: its examples, as lines of a shell, and paragraphs. */
function afterHelp(command) {
  let text = "";
  command.emit("afterHelp", { error: false, command, write: (part) => (text += part) });
  const parts = text.trim().split(/\n\n+/);
  const listed = parts.find((part) => part.startsWith("Examples:\n"));
  if (!listed) throw new Error(`expected examples behind the help of ${path(command)}`);
  const notes = parts.filter((part) => part !== listed).map((note) => note.replaceAll(/\n {2}/g, "\n- "));
  const [, ...lines] = listed.split("\n");
  const examples = lines.map((line) => line.trim().split(/ {3,}/));
  const width = Math.max(...examples.filter(([, does]) => does).map(([run]) => run.length));
  return { examples: examples.map(([run, does]) => (does ? `${run.padEnd(width)}   # ${does}` : run)), notes };
}

function anchor(command) {
  return `repvgg-${path(command).replaceAll(" ", "-")}`;
}

function path(command) {
  return command.parent === program ? command.name() : `${path(command.parent)} ${command.name()}`;
}

function table(titles, rows) {
  return [`| ${titles.join(" | ")} |`, `|${"---|".repeat(titles.length)}`, ...rows].join("\n");
}

function cell(...texts) {
  return texts.map((text) => text.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ");
}
