/** Whether a word of the command line asks for several files: it has `*`, `?`, `[…]` or `{a,b}`. */
export function hasGlobMarks(text: string): boolean {
  return /[*?]|\[[^\]/]+\]|\{[^}/]*,[^}]*\}/.test(text);
}

/** Patterns that `{a,b}` may stand for. */
const mostAlternatives = 1000;

/** The patterns that alternatives in braces stand for: "{a,b}.jpg" are "a.jpg" and "b.jpg". Braces nest. */
export function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const open = [pattern];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    // The innermost braces with a comma.
    const found = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(next);
    if (!found || done.length + open.length >= mostAlternatives) done.push(next);
    else for (const part of found[2]!.split(",").reverse()) open.push(found[1]! + part + found[3]!);
  }
  return [...new Set(done)];
}

/**
 * One part of a path (between slashes) as a test of names: `*` any letters, `?` any one, `[a-z]` and `[!a-z]` one of some. Names
 * that begin with a dot want a pattern that does.
 */
export function matcher(part: string): (name: string) => boolean {
  let source = "";
  for (let i = 0; i < part.length; i++) {
    const letter = part[i]!;
    const end = letter === "[" ? part.indexOf("]", i + 2) : -1;
    if (letter === "*") {
      // Several stars in a row are one: each alone would multiply the ways to match.
      if (part[i - 1] !== "*") source += ".*";
    } else if (letter === "?") source += ".";
    else if (end > 0) {
      const negated = part[i + 1] === "!" || part[i + 1] === "^";
      const set = part.slice(negated ? i + 2 : i + 1, end).replace(/[\\\]^[]/g, "\\$&");
      source += `[${negated ? "^" : ""}${set}]`;
      i = end;
    } else source += letter.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  }
  const pattern = compiled(source, part);
  const hidden = part.startsWith(".");
  return (name) => (hidden || !name.startsWith(".")) && pattern.test(name);
}

/** A range such as [z-a] means nothing: then the letters mean themselves. */
function compiled(source: string, part: string): RegExp {
  try {
    return new RegExp(`^${source}$`, "su");
  } catch {
    return new RegExp(`^${part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")}$`, "s");
  }
}
