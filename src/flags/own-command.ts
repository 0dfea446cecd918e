import { basename } from "node:path";

/** The command line of this process as one that can be given again, for what is written about its result. */
export function ownCommand(): string {
  return commandText(process.argv.slice(2));
}

/**
 * `repvgg` with these words, quoted for a shell. A text that is published tells nobody's folders: of paths from the root, from home or from
 * above only the last part is kept.
 */
export function commandText(words: readonly string[]): string {
  return ["repvgg", ...words.map((word) => quoted(withoutFolders(word)))].join(" ");
}

function withoutFolders(word: string): string {
  const [, option = "", value = ""] = /^(--?[\w-]+=)?(.*)$/s.exec(word)!;
  const telling = /^([/\\~]|[A-Za-z]:[/\\]|\.\.([/\\]|$))/.test(value);
  const last = basename(value.replace(/[/\\]+$/, "").replaceAll("\\", "/"));
  return telling ? option + (last === ".." || last === "" ? "data" : last) : word;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
