import { FormatError } from "../core/errors.js";
import { isNames } from "./stated-facts.js";

/**
 * Class names in the order of a net's outputs, as people write them down: one a line; a JSON list; JSON by number
 * (`{"0": "cat"}`, torchvision's `{"0": ["n02123045", "cat"]}`) or by name (`{"cat": 0}`, Keras); the `label_names` or `id2label` of a config;
 * a dictionary as Python prints it (`{0: 'cat'}`).
 * @param file for errors
 * @throws FormatError where it is none of these, or a class has no name.
 */
export function parseClassNames(text: string, file: string): readonly string[] {
  const content = text.replace(/^\uFEFF/, "").trim();
  if (/^[[{]/.test(content)) {
    const names = namesIn(parsed(content));
    if (names) return names;
    throw unreadable(file, "JSON of another form, or with a class that has no name");
  }
  const lines = content.split(/\r\n|\n|\r/).map((line) => line.trim());
  if (lines.every((line) => line !== "")) return lines;
  throw unreadable(file, content === "" ? "nothing" : `no name in line ${lines.indexOf("") + 1}`);
}

/** {@link parseClassNames} of metadata, where commas may stand between; undefined where it is no list of names. */
export function classNamesInMetadata(text: string): readonly string[] | undefined {
  const content = text.trim();
  if (/^[[{]/.test(content)) return namesIn(parsed(content));
  const names = content.split(content.includes("\n") ? /\r?\n/ : ",").map((name) => name.trim());
  return names.length > 1 && names.every((name) => name !== "") ? names : undefined;
}

function namesIn(value: unknown): readonly string[] | undefined {
  if (isNames(value)) return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const record = value as Readonly<Record<string, unknown>>;
  const inside = record["label_names"] ?? record["id2label"] ?? record["classNames"] ?? record["class_names"];
  if (inside !== undefined) return namesIn(inside);
  const entries = Object.entries(record).map(([key, item]): [unknown, unknown] =>
    typeof item === "number" ? [String(item), key] : [key, Array.isArray(item) ? item.at(-1) : item],
  );
  const byNumber = new Map(entries);
  const names = entries.map((_, i) => byNumber.get(String(i)));
  return byNumber.size === entries.length && isNames(names) ? names : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return pythonDictionary(text);
  }
}

/** `{0: 'cat', 1: "sailor's knot"}`, which is what `str()` makes of a dict. */
function pythonDictionary(text: string): unknown {
  const string = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/;
  const entry = new RegExp(String.raw`\s*(\d+)\s*:\s*(?:${string.source})\s*(,|\}$)`, "y");
  const names: Record<string, string> = {};
  let at = text.startsWith("{") ? 1 : text.length;
  while (at < text.length) {
    entry.lastIndex = at;
    const match = entry.exec(text);
    if (!match) return /^\s*\}$/.test(text.slice(at)) ? names : undefined;
    const [whole, key = "", single, double = ""] = match;
    if (Object.hasOwn(names, key)) return undefined;
    names[key] = (single ?? double).replace(/\\(.)/g, "$1");
    at += whole.length;
  }
  return Object.keys(names).length > 0 ? names : undefined;
}

function unreadable(file: string, received: string): FormatError {
  return new FormatError({
    expected: "class names: one a line, or a JSON list",
    received: `${received} in ${file}`,
    remedy: "write them in the order of the net's outputs",
  });
}
