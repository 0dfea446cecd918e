const voidElements = new Set(["meta", "img", "br", "hr", "link", "input"]);

/** What is wrong with the tags of a page as we write them: unclosed, crossed, bad attributes, loose angle brackets. Naive on purpose. */
export function htmlErrors(page: string): string[] {
  const errors: string[] = [];
  const open: string[] = [];
  const body = page.replace(/^<!doctype html>/, "").replace(/<style>[^<]*<\/style>/, "");
  for (const [, text, tag] of body.matchAll(/([^<]*)(<[^>]*>)?/g)) {
    if (text?.includes(">")) errors.push(`loose > in ${text}`);
    if (tag === undefined) continue;
    const [, closing, name, attributes, self] =
      /^<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z-]+(?:="[^"<>]*")?)*)\s*(\/?)>$/i.exec(tag) ?? [];
    if (name === undefined) errors.push(`odd tag ${tag}`);
    else if (closing) {
      const last = open.pop();
      if (last !== name) errors.push(`</${name}> closes <${last}>`);
    } else if (!self && !voidElements.has(name)) open.push(name);
    const names = [...(attributes ?? "").matchAll(/\s([a-zA-Z-]+)(?:=|\s|$)/g)].map(([, attribute]) => attribute);
    if (new Set(names).size < names.length) errors.push(`an attribute twice in ${tag}`);
  }
  if (open.length > 0) errors.push(`left open: ${open.join(" ")}`);
  return errors;
}
