import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors.js";
import { expandBraces, hasGlobMarks, matcher } from "../core/glob.js";
import type { IgnoredFiles } from "./dataset.js";
import { IgnoredTally } from "./ignored-files.js";
import { entriesOf, filesBelow, kindOf, lookAt } from "./look.node.js";

/** Places of pictures: paths, addresses, "-" for standard input. */
export interface FoundPictures {
  readonly names: readonly string[];
  /** What lies in folders and was not taken, by kind. */
  readonly ignored: readonly IgnoredFiles[];
  /** One file was named, and nothing else: what is wrong with it is wrong with the whole. */
  readonly single: boolean;
}

/** What earlier answers drew is no picture to answer. */
const explained = /\.explained\.png$/i;

/** Names as people count: 2.jpg before 10.jpg. The same everywhere, so by no locale of the machine. */
const collator = new Intl.Collator("en", { numeric: true });

export function byNaturalOrder(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * Pictures that words of a command line name: files, folders (with all below, in natural order), patterns with `*`, `**`, `?`,
 * `[…]` and `{a,b}` (also quoted, and where a shell leaves them alone), addresses (http, https), and "-". What a folder or a pattern gives comes once.
 * A file of that very name outranks a pattern.
 * @throws UserError for a pattern that fits nothing and a folder without pictures; files that are not there are the reader's to tell
 */
export function findPictures(words: readonly string[]): FoundPictures {
  const names: string[] = [];
  const known = new Set<string>();
  const ignored: IgnoredTally[] = [];
  const add = (name: string, named = false): void => {
    if (named || !known.has(name)) names.push(name);
    known.add(name);
  };
  for (const word of words) {
    for (const place of places(word)) {
      if (isAddress(place) || place === "-" || !isFolder(place)) add(place, place === word);
      else {
        const tally = new IgnoredTally();
        for (const file of picturesOf(place, tally)) add(file);
        ignored.push(tally);
      }
    }
  }
  const all = new IgnoredTally();
  for (const tally of ignored) all.addAll(tally);
  return { names, ignored: all.list(), single: words.length === 1 && known.has(words[0]!) };
}

/** Whether a word is an address of the web. */
export function isAddress(word: string): boolean {
  return /^https?:\/\//i.test(word);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function places(word: string): string[] {
  if (isAddress(word) || !hasGlobMarks(word) || existsSync(word)) return [word];
  const found = expandBraces(word).flatMap((pattern) => (hasGlobMarks(pattern) ? fitting(pattern) : [pattern]));
  if (found.length > 0) return [...new Set(found)].sort(byNaturalOrder);
  throw new UserError({ expected: `files like ${word}`, received: "none", remedy: "check the pattern and the folder" });
}

/** Paths that a pattern without braces fits. */
function fitting(pattern: string): string[] {
  const normal = process.platform === "win32" ? pattern.replaceAll("\\", "/") : pattern;
  const parts = normal.split("/");
  // The parts before the first pattern are a folder to begin at.
  const first = parts.findIndex(hasGlobMarks);
  const base = parts.slice(0, first).join("/");
  const found: string[] = [];
  walk(first === 0 ? "" : base === "" ? "/" : base, parts.slice(first), found);
  return found;
}

/** Adds what fits below a folder; "" is the working directory. */
function walk(folder: string, [part, ...rest]: readonly string[], found: string[]): void {
  const below = (name: string): string => (folder === "" || folder === "/" ? folder : `${folder}/`) + name;
  const last = rest.every((later) => later === ""); // a slash at the end says nothing
  if (part === undefined || part === "") return;
  if (part === "." || part === "..") walk(below(part), rest, found);
  else if (part === "**") {
    // Any number of folders, none too; at the end: all files below.
    if (!last) walk(folder, rest, found);
    for (const entry of visibleEntries(folder)) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) walk(below(entry.name), [part, ...rest], found);
      else if (last && kindOf(folder || ".", entry) === "file") found.push(below(entry.name));
    }
  } else {
    const fits = hasGlobMarks(part) ? matcher(part) : (name: string) => name === part;
    for (const entry of visibleEntries(folder)) {
      if (!fits(entry.name)) continue;
      const kind = kindOf(folder || ".", entry);
      if (last ? kind !== "other" : kind === "folder") {
        if (last) found.push(below(entry.name));
        else walk(below(entry.name), rest, found);
      }
    }
  }
}

/** Of a folder that cannot be read, or is none, nothing fits. */
function visibleEntries(folder: string): ReturnType<typeof entriesOf> {
  try {
    return entriesOf(folder || ".");
  } catch {
    return [];
  }
}

/** The pictures below a folder in natural order, those too that will turn out to be broken. */
function picturesOf(folder: string, ignored: IgnoredTally): string[] {
  const pictures: string[] = [];
  for (const file of filesBelow(folder, ignored)) {
    const look = lookAt(file);
    if (explained.test(file)) ignored.add("picture of an earlier --explain", file);
    else if (look.is === "other") ignored.add(look.reason, file, look.convertible);
    else pictures.push(file);
  }
  if (pictures.length > 0) return pictures.sort(byNaturalOrder);
  const others = ignored.list().map(({ kind, count }) => `${count} × ${kind}`);
  throw new UserError({
    expected: `pictures in ${join(folder, "/")}`,
    received: others.length > 0 ? `none (but ${others.join(", ")})` : "none",
    remedy: "check the folder",
  });
}
