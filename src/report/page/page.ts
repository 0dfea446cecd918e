import { escapeXml } from "../svg.js";
import type { Heading, Report, Section } from "./section.js";
import { renderSection } from "./sections.js";
import { pageStyle } from "./style.js";

/**
 * A report as one HTML page that needs nothing else: no script, no network (its own policy forbids both), charts inline. It
 * follows the reader's light or dark setting, prints, and can be read by keyboard and screen reader.
 * @throws Error for a picture that is no data URI, or a table whose rows do not fit its columns.
 */
export function reportPage(report: Report): string {
  const parts = partsOf(report.sections);
  const body = parts.map(({ heading, sections }, part) => {
    const content = sections.map((section, i) => renderSection(section, `c${part}-${i}`)).join("\n");
    if (!heading) return content;
    const id = `part-${part}`;
    return `<section aria-labelledby="${id}">\n<h2 id="${id}">${escapeXml(heading.text)}</h2>\n${content}\n</section>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeXml(report.title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<p class="kind">${escapeXml(report.kind)}</p>
<h1>${escapeXml(report.title)}</h1>
${report.lead ? `<p class="lead">${escapeXml(report.lead)}</p>` : ""}
</header>
${contents(parts)}
<main id="main" tabindex="-1">
${body.join("\n")}
</main>
<footer>
${(report.footer ?? []).map((line) => `<p>${escapeXml(line)}</p>`).join("\n")}
</footer>
</body>
</html>
`;
}

interface Part {
  readonly heading: Heading | undefined;
  readonly sections: Section[];
}

/** What comes before the first heading, then a part for each heading of level 2. Before one, a heading of level 3 counts as one. */
function partsOf(sections: readonly Section[]): readonly Part[] {
  const parts: Part[] = [{ heading: undefined, sections: [] }];
  for (const section of sections) {
    const begins = section.kind === "heading" && (section.level !== 3 || parts.length === 1);
    if (begins) parts.push({ heading: section, sections: [] });
    else parts.at(-1)!.sections.push(section);
  }
  return parts;
}

function contents(parts: readonly Part[]): string {
  const items = parts.flatMap(({ heading }, part) =>
    heading ? [`<li><a href="#part-${part}">${escapeXml(heading.text)}</a></li>`] : [],
  );
  return items.length < 3 ? "" : `<nav aria-label="Contents">\n<ol>\n${items.join("\n")}\n</ol>\n</nav>`;
}
