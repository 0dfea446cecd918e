import { bytes, milliseconds, plain, prefixed, share } from "../report/charts/unit.js";

export type { Chart } from "../report/charts/chart.js";
export type { Unit } from "../report/charts/unit.js";
export { reportPage } from "../report/page/page.js";
export type { Report, Section } from "../report/page/section.js";

/** How a chart's axis writes its numbers. */
export const units = { plain, bytes, milliseconds, share, prefixed } as const;
