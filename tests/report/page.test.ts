import { describe, expect, it } from "vitest";
import { reportPage } from "#repvgg/report/page/page.js";
import { htmlErrors } from "./html.js";
import { hostile, sample } from "./sample.js";

const page = reportPage(sample);

describe("a report's page", () => {
  it("is well-formed", () => {
    expect(htmlErrors(page)).toEqual([]);
  });

  it("shows hostile text as text", () => {
    expect(page).not.toContain("<script");
    expect(page).not.toContain("alert(&quot;");
    expect(page.match(/&#60;script&#62;alert\(&#34;x&#34;\)/g)!.length).toBeGreaterThan(10);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(hostile).toContain("<script>");
  });

  it("asks the network for nothing", () => {
    expect(page).toContain(`http-equiv="Content-Security-Policy" content="default-src 'none'`);
    expect([...page.matchAll(/(?:src|href)="(?!data:|#)[^"]*"|url\(|@import/g)].map(String)).toEqual([]);
  });

  it("has contents that lead to every part", () => {
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(targets).toHaveLength(1 + sample.sections.filter((s) => s.kind === "heading" && s.level !== 3).length);
    for (const id of targets) expect(page).toContain(`id="${id}"`);
  });

  it("names every chart and every table", () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, names] of page.matchAll(/aria-labelledby="([^"]+)"/g)) {
      for (const id of names!.split(" ")) expect(ids).toContain(id);
    }
    expect(page.match(/<svg /g)!.length).toBe(page.match(/<svg [^>]*role="img" aria-labelledby/g)!.length);
    expect(page.match(/<table>/g)!.length).toBe(page.match(/<table><caption/g)!.length);
  });

  it("refuses pictures from elsewhere, and rows that do not fit", () => {
    const picture = { source: "https://example.org/a.png", alternative: "" };
    expect(() => reportPage({ ...sample, sections: [{ kind: "pictures", pictures: [picture] }] })).toThrow(/data URI/);
    const svg = { source: "data:image/svg+xml;base64,AAAA", alternative: "" };
    expect(() => reportPage({ ...sample, sections: [{ kind: "pictures", pictures: [svg] }] })).toThrow(/data URI/);
    const table = { kind: "table", caption: "t", columns: [{ label: "a" }], rows: [["a", "b"]] } as const;
    expect(() => reportPage({ ...sample, sections: [table] })).toThrow(/2 cells, not 1/);
  });
});
