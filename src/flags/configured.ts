import type { Command } from "commander";
import { type KnownOption, optionWords } from "../configuration/option-words.js";
import { readConfiguration } from "../configuration/read-configuration.node.js";

/** Options that say what to do now, which no file does. */
const notInFiles = ["config", "resume", "preview", "findLr", "folds"];

/** What the next run has of its own. */
const notRepeated = [...notInFiles, "out", "json", "quiet"];

/**
 * The configuration that repeats a training: what was given, what was chosen, and the data.
 * @param chosen settings by the data; what no option says is left out
 */
export function configurationOf(
  command: Command,
  data: string,
  {
    inputSize: [height, width] = [],
    ...chosen
  }: Readonly<Record<string, unknown>> & { readonly inputSize?: readonly number[] },
): Readonly<Record<string, unknown>> {
  const names = command.options.map((option) => option.attributeName()).filter((name) => !notRepeated.includes(name));
  const given = names.filter((name) => command.getOptionValueSource(name) === "cli");
  const settings = { ...chosen, ...(height !== undefined && height === width && { size: height }) };
  return {
    data,
    ...Object.fromEntries(
      Object.entries(settings).filter(([name, value]) => names.includes(name) && typeof value !== "object"),
    ),
    ...Object.fromEntries(given.map((name) => [name, command.getOptionValue(name)])),
  };
}

/**
 * The words of a command line behind the command's name, with what the file of its `--config` says before them, so that they win.
 * @param probe the command, which only looks at the words
 * @throws UserError for a file that cannot be used
 */
export async function withConfiguration(words: readonly string[], probe: Command): Promise<readonly string[]> {
  if (!words.some((word) => /^--config(=|$)/.test(word))) return words;
  let operands: string[];
  try {
    ({ operands } = probe.parseOptions([...words]));
  } catch {
    return words; // the command says what is wrong with them
  }
  const path: unknown = probe.opts()["config"];
  if (typeof path !== "string") return words;
  const known = probe.options.map(
    (option): KnownOption => ({
      name: option.attributeName(),
      flag: option.long!,
      takesValue: option.required || option.optional,
      negated: option.negate,
      conflicts: (option as unknown as { readonly conflictsWith: readonly string[] }).conflictsWith,
      choices: option.argChoices,
      parse: option.parseArg && ((text) => option.parseArg!(text, undefined)),
    }),
  );
  const given = known.filter(({ name }) => probe.getOptionValueSource(name) === "cli").map(({ name }) => name);
  const allowed = known.filter(({ name }) => !notInFiles.includes(name));
  const { words: before, data } = optionWords(await readConfiguration(path), allowed, given, path);
  return [...(data !== undefined && operands.length === 0 ? [data] : []), ...before, ...words];
}
