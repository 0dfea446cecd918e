/** Colours of categories, distinct also for colour-blind readers (Okabe and Ito 2008), in the order of use. */
export const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;

/** Text as it may stand in XML and HTML, attributes included. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
