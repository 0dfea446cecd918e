import { join } from "node:path";
import { reportMarkdown } from "../../report/markdown.js";
import { reportPage } from "../../report/report-page.js";
import { standaloneSvg } from "../../report/standalone.js";
import { studyCharts, studyPage } from "./page.js";
import type { StudyState } from "./study.node.js";
import { type DepthSummary, summarizeStudy } from "./summary.js";

/** What writing a study's report gives. */
export interface WrittenStudy {
  readonly summary: DepthSummary;
  readonly files: {
    readonly results: string;
    readonly report: string;
    readonly markdown: string;
    readonly pictures: readonly string[];
  };
}

/** Width of a chart in a picture of several, in pixels. */
const panelWidth = 480;

/** Writes report.html, report.md and its pictures into the study's folder. */
export async function writeStudy({ directory, plan, runs, remaining }: StudyState): Promise<WrittenStudy> {
  const summary = summarizeStudy(plan, runs);
  const page = studyPage({ plan, runs, summary, remaining: remaining.length });
  const pictures = studyCharts({ plan, runs, summary });
  const paths: string[] = [];
  for (const [name, charts] of pictures) {
    paths.push(
      await directory.writeText(name, standaloneSvg(page.title, charts, panelWidth, Math.min(2, charts.length))),
    );
  }
  const titles = new Map([...pictures].flatMap(([name, charts]) => charts.map(({ title }) => [title, name] as const)));
  const first = new Set<string>();
  // A picture of several charts stands where its first one does.
  const markdown = reportMarkdown(page, ({ title }) => {
    const name = titles.get(title);
    if (name === undefined || first.has(name)) return undefined;
    first.add(name);
    return name;
  });
  return {
    summary,
    files: {
      results: join(directory.path, "results.jsonl"),
      report: await directory.writeText("report.html", reportPage(page)),
      markdown: await directory.writeText("report.md", markdown),
      pictures: paths,
    },
  };
}
