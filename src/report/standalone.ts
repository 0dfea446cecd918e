import type { Chart } from "./charts/chart.js";
import { drawChart } from "./charts/draw.js";
import { round, text } from "./charts/frame.js";
import { standaloneChartStyle } from "./page/style.js";
import { escapeXml } from "./svg.js";

const gap = 32;
const titleHeight = 56;

/** Charts in rows of `columns` under a title, as one SVG that needs no page around it (no script, no network). */
export function standaloneSvg(title: string, charts: readonly Chart[], panelWidth: number, columns: number): string {
  const panels = charts.map((chart) => ({ title: chart.title, ...drawChart(chart, panelWidth) }));
  const panelHeight = Math.max(...panels.map(({ height }) => height)) + 28;
  const rows = Math.ceil(panels.length / columns);
  const [width, height] = [gap + columns * (panelWidth + gap), Math.ceil(titleHeight + rows * (panelHeight + gap))];
  const body = panels.map((panel, i) => {
    const x = gap + (i % columns) * (panelWidth + gap);
    const y = titleHeight + Math.floor(i / columns) * (panelHeight + gap);
    return `<g transform="translate(${x} ${round(y)})">${text(0, 12, panel.title, { look: "panel" })}<g transform="translate(0 28)">${panel.body}</g></g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escapeXml(title)}</title>
<style>${standaloneChartStyle}
svg .panel{font-weight:600;font-size:13px}svg .title{font-weight:600;font-size:17px}</style>
<rect width="100%" height="100%" fill="white"/>
${text(gap, 32, title, { look: "title" })}
${body.join("\n")}
</svg>
`;
}
