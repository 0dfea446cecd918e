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
