import { describe, expect, it } from "vitest";
import { reportPage } from "#repvgg/report/page/page.js";
import { htmlErrors } from "./html.js";
import { reports } from "./pages.js";

describe("reports", () => {
  it.each(Object.entries(reports))("%s: well-formed, with names as text", async (_, make) => {
    const page = reportPage(await make());
    expect(htmlErrors(page)).toEqual([]);
    const words = page.replaceAll(/data:image[^"]*/g, "");
    expect(/<script|NaN|undefined|\[object/.exec(words)?.[0]).toBeUndefined();
  });
});
