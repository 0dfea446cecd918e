import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** Options of Observable Plot without the document, which is ours. */
export type PlotOptions = Omit<Plot.PlotOptions, "document">;

/** One plot as a standalone SVG element (no script, no network), on a white card. */
export function plotSvg(options: PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const element = Plot.plot({
    style: { fontFamily: "system-ui, 'DejaVu Sans', sans-serif", fontSize: "12px", background: "white", color: "#222" },
    ...options,
    document,
  }) as unknown as {
    outerHTML: string;
    querySelector(selector: string): { outerHTML: string } | null;
    tagName: string;
  };
  const svg =
    element.tagName.toLowerCase() === "svg" ? element.outerHTML : (element.querySelector("svg")?.outerHTML ?? "");
  return svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}
