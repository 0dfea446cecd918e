import { Option } from "commander";
import { wanted } from "../flags/options.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { reportPage } from "../report/page/page.js";
import type { Report } from "../report/page/section.js";

/** The option of every command that can show its result as a page. */
export function htmlOption(): Option {
  return new Option("--html <file>", "write a report to look at: one HTML file").argParser((file) => {
    if (/\.html?$/.test(file)) return file;
    throw wanted("a file name that ends in .html");
  });
}

/** Writes a report as one HTML file. */
export async function writeReport(file: string, report: Report): Promise<void> {
  await writeFileAtomically(file, reportPage(report));
}
