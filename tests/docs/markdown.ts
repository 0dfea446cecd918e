/** A fenced block of code in a Markdown document. */
export interface CodeBlock {
  /** First word after the fence: "ts", "sh". */
  readonly language: string;
  /** The words after it: "no-run". */
  readonly attributes: readonly string[];
  readonly text: string;
  /** Line of the fence, from 1. */
  readonly line: number;
}

export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^( *)```([^\n`]*)\n([\s\S]*?)^\1```[ \t]*$/gm)].map((match) => {
    const [, indent, info, body] = match as unknown as [string, string, string, string];
    const [language = "", ...attributes] = info.trim().split(/\s+/);
    const line = markdown.slice(0, match.index).split("\n").length;
    return { language, attributes, text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""), line };
  });
}

/**
 * The commands of a shell block as words: comments are left out, lines that end in a backslash are joined, `&&`, `|` and
 * `;` part commands, quotes keep words together; variables set in front of a command and redirections are dropped.
 */
export function commandsIn(shell: string): string[][] {
  const commands: string[][] = [[]];
  const token = /\\\n|(#[^\n]*)|(\n|&&|\|\|?|;)|((?:[^\s'"|;&#\\]|(?<=\S)#|'[^']*'|"[^"]*"|&(?!&))+)|\s/g;
  for (const [, , separator, word] of shell.matchAll(token)) {
    if (separator) commands.push([]);
    else if (word) commands.at(-1)!.push(word.replace(/'([^']*)'|"([^"]*)"/g, (_, a, b) => a ?? b));
  }
  return commands.map(withoutSurroundings).filter((words) => words.length > 0);
}

function withoutSurroundings(words: readonly string[]): string[] {
  const start = words.findIndex((word) => !/^\w+=/.test(word) && word !== "$");
  const redirection = words.findIndex((word) => /^\d?>/.test(word));
  return start < 0 ? [] : words.slice(start, redirection < 0 ? undefined : redirection);
}

/** A link or a picture of a Markdown document. */
export interface MarkdownLink {
  /** As it is written: "fold.md#types", "https://…", "#here". */
  readonly target: string;
  /** Its line, from 1. */
  readonly line: number;
}

/** Links and pictures outside of code: `[text](target "title")`, `[name]: target`, and HTML's `href` and `src`. */
export function links(markdown: string): MarkdownLink[] {
  const text = withoutCode(markdown);
  const written = /\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?\s*$|\b(?:href|src)="([^"]+)"/gm;
  return [...text.matchAll(written)].map((match) => ({
    target: (match[1] ?? match[2] ?? match[3])!,
    line: text.slice(0, match.index).split("\n").length,
  }));
}

/** The places of a document that a link can name behind "#": GitHub's, of its headings, and `id`s in HTML. */
export function anchors(markdown: string): Set<string> {
  const found = new Set<string>();
  const count = new Map<string, number>();
  const fenceless = markdown.replaceAll(fence, (block) => block.replaceAll(/[^\n]/g, ""));
  for (const [, title] of fenceless.matchAll(/^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/gm)) {
    const base = title!
      .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    const before = count.get(base) ?? 0;
    count.set(base, before + 1);
    found.add(before === 0 ? base : `${base}-${before}`);
  }
  for (const [, id] of fenceless.matchAll(/\bid="([^"]+)"/g)) found.add(id!);
  return found;
}

const fence = /^ *(`{3,})[^\n]*\n[\s\S]*?^ *\1`*[ \t]*$/gm;

/** The same text, of as many lines, with nothing where code or a comment is. */
function withoutCode(markdown: string): string {
  const blank = (part: string): string => part.replaceAll(/[^\n]/g, " ");
  return markdown
    .replaceAll(fence, blank)
    .replaceAll(/<!--[\s\S]*?-->/g, blank)
    .replaceAll(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, blank);
}
