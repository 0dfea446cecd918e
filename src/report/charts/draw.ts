import { drawBars } from "./bars.js";
import type { Chart } from "./chart.js";
import { drawDots } from "./dots.js";
import { type Drawing, frame } from "./frame.js";
import { drawHeatMap } from "./heat-map.js";
import { drawLines } from "./lines.js";
import { drawTimeline } from "./timeline.js";

/**
 * A chart as one SVG element, to stand inline in a page of ours: its colours are the page's.
 * @param width pixels  @param id unique in the page
 */
export function chartSvg(chart: Chart, width: number, id: string): string {
  const { height, body } = drawChart(chart, width);
  return frame({ ...chart, id, width, height, body });
}

/** The chart's marks, for a frame of another kind. */
export function drawChart(chart: Chart, width: number): Drawing {
  switch (chart.kind) {
    case "lines":
      return drawLines(chart, width);
    case "bars":
      return drawBars(chart, width);
    case "dots":
      return drawDots(chart, width);
    case "heat-map":
      return drawHeatMap(chart, width);
    case "timeline":
      return drawTimeline(chart, width);
  }
}
