import { bytes, milliseconds, plain, prefixed, share } from "./charts/unit.js";

export type { Chart } from "./charts/chart.js";
export type { Unit } from "./charts/unit.js";
export { reportPage } from "./page/page.js";
export type { Report, Section } from "./page/section.js";

/** How a chart's axis writes its numbers. */
export const units = { plain, bytes, milliseconds, share, prefixed } as const;
