import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { reportPage } from "../report/page/page.js";
import type { Report } from "../report/page/section.js";

/** @throws UserError for a name that does not end in .html: said before work that takes long. */
export function checkReportName(file: string | undefined): void {
  if (file === undefined || /\.html?$/.test(file)) return;
  throw new UserError({ expected: "--html to end in .html", received: file });
}

/** Writes a report as one HTML file. */
export async function writeReport(file: string, report: Report): Promise<void> {
  await writeFileAtomically(file, reportPage(report));
}
