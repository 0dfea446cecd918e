import { readFileSync, statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { FormatError, UserError } from "../core/errors.js";
import { explainFileError } from "../formats/file-errors.node.js";

/** Bytes of a configuration; a run's own has some kilobytes. */
const mostBytes = 2 ** 24;

/** From it on Node reads TypeScript by itself. */
const typesNode = "22.18";

/**
 * What a configuration file holds: JSON, or the default export of JavaScript or TypeScript (which is run). Of a run's config.json the
 * options with which it was begun.
 * @throws UserError for a file of another kind or one that fails when it is run; FormatError for what is no JSON
 */
export async function readConfiguration(path: string): Promise<Readonly<Record<string, unknown>>> {
  const ending = extname(path).toLowerCase();
  if (!/^\.(json|[mc]?js|[mc]?ts)$/.test(ending)) {
    throw new UserError({
      expected: "a configuration file named .json, .js or .ts",
      received: path.trim() === "" ? JSON.stringify(path) : path,
      remedy: "name one, or give the options themselves",
    });
  }
  try {
    if (statSync(path).size > mostBytes) {
      throw new UserError({ expected: `a configuration of at most ${mostBytes} bytes`, received: path });
    }
  } catch (error) {
    throw explainFileError("read", path, error);
  }
  const value = ending === ".json" ? parsed(path) : await defaultExport(path);
  if (!isRecord(value)) {
    const where = ending === ".json" ? path : `the default export of ${path}`;
    throw new UserError({
      expected: `options by their names in ${where}`,
      received: value === undefined ? "nothing" : Array.isArray(value) ? "a list" : typeof value,
      remedy: 'for example { "data": "photos", "epochs": 40 }',
    });
  }
  return ending === ".json" && isRun(value) ? optionsOf(value, path) : value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The config.json of a run. */
function isRun({ model, config, data }: Readonly<Record<string, unknown>>): boolean {
  return isRecord(model) && isRecord(config) && data !== undefined;
}

function optionsOf({ options }: Readonly<Record<string, unknown>>, path: string): Readonly<Record<string, unknown>> {
  if (isRecord(options)) return options;
  throw new UserError({
    expected: "the config.json of a run that repvgg train began",
    received: `${path}, without the options of a command line`,
    remedy: "a program or an earlier version began it: write its settings into a file of their own",
  });
}

function parsed(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw explainFileError("read", path, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const relaxed = withoutComments(text);
    const only = isJson(relaxed)
      ? "comments"
      : isJson(relaxed.replace(/,(\s*[}\]])/g, "$1"))
        ? "comments or commas at ends"
        : undefined;
    throw new FormatError(
      {
        expected: `JSON in ${path}`,
        received: only ? `JSON with ${only}` : (error as Error).message,
        remedy: only
          ? "take them out, or name the file .js and begin it with: export default"
          : "mend it; keys and texts are in double quotes",
      },
      { cause: error },
    );
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Without comments outside of texts. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_, quoted: string | undefined) => quoted ?? "",
  );
}

async function defaultExport(path: string): Promise<unknown> {
  try {
    const module: { readonly default?: unknown } = await import(pathToFileURL(resolve(path)).href);
    return module.default;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const own = code === "ERR_UNKNOWN_FILE_EXTENSION" && String(message).includes(extname(path));
    if (own || code === "ERR_NO_TYPESCRIPT") {
      throw new UserError(
        {
          expected: `Node ${typesNode} or later to read ${path}`,
          received: `Node ${process.versions.node}`,
          remedy: "update Node, or name the file .js or .json and leave types out",
        },
        { cause: error },
      );
    }
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new UserError(
      { expected: `${path} to give a configuration as its default export`, received: said, remedy: "mend the file" },
      { cause: error },
    );
  }
}
