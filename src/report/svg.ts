/** Colours of categories, distinct also for colour-blind readers (Okabe and Ito 2008), in the order of use. */
export const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;

/** Plots in rows of `columns` in one SVG, under a title. Sizes in pixels; every panel is `panelWidth` × `panelHeight`. */
export function panelsSvg(
  title: string,
  panels: readonly string[],
  panelWidth: number,
  panelHeight: number,
  columns = panels.length,
): string {
  const top = 44;
  const width = columns * panelWidth;
  const height = top + Math.ceil(panels.length / columns) * panelHeight;
  const place = (i: number) => `x="${(i % columns) * panelWidth}" y="${top + Math.floor(i / columns) * panelHeight}"`;
  const body = panels.map((svg, i) => svg.replace("<svg", `<svg ${place(i)}`)).join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" fill="white"/>
<text x="16" y="28" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="16" font-weight="600" fill="#222">${escapeXml(title)}</text>
${body}
</svg>
`;
}

/** Text as it may stand in XML and HTML, attributes included. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
