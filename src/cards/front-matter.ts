/** A model card: what a hub reads of it, and what people read. */
interface Card {
  /** YAML between two lines of three dashes, without them; empty where there is none. */
  readonly matter: string;
  readonly body: string;
}

const matterPattern = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)(?:^|\r?\n)---[ \t]*(?:\r?\n|$)/;

function splitCard(text: string): Card {
  const found = matterPattern.exec(text);
  return found ? { matter: found[1]!, body: text.slice(found[0].length) } : { matter: "", body: text };
}

/** The licence that a card states in its front matter; undefined where it states none, or a list. */
export function statedLicense(card: string): string | undefined {
  const value = /^license:[ \t]*(.*?)[ \t]*(?:#.*)?\r?$/m.exec(splitCard(card).matter)?.[1];
  const name = value?.replace(/^(["'])(.*)\1$/, "$2").trim();
  return name === undefined || !/^[\w.+-]+$/.test(name) ? undefined : name;
}

/** The card with this licence in its front matter, which is made where there is none. All else stays as it is. */
export function withLicense(card: string, license: string): string {
  const { matter, body } = splitCard(card);
  const others = matter
    .split(/\r?\n/)
    .filter((line) => line !== "" && !/^(# *)?license:/.test(line))
    .join("\n");
  return `---\nlicense: ${license}\n${others === "" ? "" : `${others}\n`}---\n${body}`;
}

/** A text as a YAML scalar: in double quotes as JSON has them, which YAML reads as such, unless it is a plain word. */
export function yamlText(text: string): string {
  const plain = /^[A-Za-z][\w./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
