import type { BlockKernels } from "../../analysis/block-kernels.js";
import { describeCause, type Finding } from "../../analysis/diagnosis/finding.js";
import { plural, shortNumber, wholeCount } from "../../core/format.js";
import { describeOutput } from "../../verify/comparison/describe-output.js";
import type { OutputVerification, ValueDifference, Verification } from "../../verify/verify-models.js";
import type { HeatMap, HeatPanel } from "../charts/chart.js";
import { plain } from "../charts/unit.js";
import type { Notes, Report, Section } from "../page/section.js";

/** More bars than this are not looked at; those that are furthest apart are shown. */
const mostBars = 60;

export interface VerifyPage {
  readonly reference: string;
  readonly candidate: string;
  readonly result: Verification;
  /** Relative error from which values count as parted. */
  readonly threshold: number;
  readonly findings: readonly Finding[];
  readonly kernels: readonly BlockKernels[];
  /** Inputs were real pictures, not random numbers. */
  readonly pictures: boolean;
}

/** A comparison of two nets as a report: how far the outputs and the values inside are apart, why, and the kernels. */
export function verifyReport(page: VerifyPage, footer: readonly string[] = []): Report {
  const { reference, candidate, result, threshold, findings, kernels, pictures } = page;
  const { samples, outputs, byOutput, top1Disagreements, verdict, agree, values, firstParted } = result;
  const compared = `${reference} and ${candidate} on ${plural(samples, pictures ? "picture" : "random input")}`;
  const error = `${agree ? "relative error" : "a relative error of"} ${shortNumber(outputs.relative)}, ${agree ? "below" : "where it should be below"} ${shortNumber(threshold)}.${firstParted ? ` They part first at ${firstParted}.` : ""}`;
  const unproven = `received ${byOutput.flatMap((output) => describeOutput(output) ?? []).join("; ")}.`;
  return {
    kind: "repvgg verify",
    title: titles[verdict],
    lead: `${compared}: ${verdict === "unproven" ? unproven : error}`,
    sections: [
      {
        kind: "figures",
        figures: [
          { label: "largest difference of an output", value: shortNumber(outputs.maxAbsolute) },
          { label: "relative to the largest number of its channel", value: shortNumber(outputs.relative) },
          { label: "mean difference", value: shortNumber(outputs.meanAbsolute) },
          {
            label: "another class",
            value: wholeCount(top1Disagreements),
            note: `of ${plural(samples, pictures ? "picture" : "input")}`,
          },
          ...(outputs.nonFinite > 0 ? [{ label: "not finite on one side", value: wholeCount(outputs.nonFinite) }] : []),
          ...(outputs.sameNonFinite > 0
            ? [{ label: "not finite on both sides", value: wholeCount(outputs.sameNonFinite) }]
            : []),
        ],
      },
      ...(byOutput.length > 1 || !agree ? [outputTable(byOutput)] : []),
      ...(findings.length > 0
        ? [{ kind: "heading", text: "Findings" } as const, findingNotes(findings, verdict !== "different")]
        : []),
      ...(values.length > 0 ? valueSections(values, threshold) : []),
      ...(kernels.length > 0 ? kernelSections(kernels) : []),
    ],
    footer,
  };
}

const titles: Readonly<Record<Verification["verdict"], string>> = {
  same: "Both nets give the same outputs",
  different: "The nets give different outputs",
  unproven: "The comparison does not prove that the nets are the same",
};

function outputTable(outputs: readonly OutputVerification[]): Section {
  return {
    kind: "table",
    caption: "Outputs, each by its own scale",
    folded: false,
    columns: ["output", "largest difference", "relative, worst channel", "channel", "verdict"].map((label) => ({
      label,
    })),
    rows: outputs.map(({ name, maxAbsolute, relative, worst, verdict }) => [
      name,
      shortNumber(maxAbsolute),
      shortNumber(relative),
      worst ? `${worst.index}` : "",
      { text: verdict, look: verdict === "same" ? "good" : "bad" },
    ]),
  };
}

function findingNotes(findings: readonly Finding[], harmless: boolean): Notes {
  return {
    kind: "notes",
    notes: findings.map((finding) => ({
      level: harmless ? "warning" : "error",
      text: `${describeCause(finding)}. ${finding.remedy}.`,
    })),
  };
}

function valueSections(values: readonly ValueDifference[], threshold: number): readonly Section[] {
  const worst = [...values].sort((a, b) => b.relative - a.relative).slice(0, mostBars);
  const shown = values.filter((value) => worst.includes(value));
  const parted = values.filter((value) => value.parted).length;
  return [
    { kind: "heading", text: "Error by layer" },
    {
      kind: "chart",
      chart: {
        kind: "bars",
        title: "Relative error of the values inside",
        description: `Largest difference over largest number, layer by layer, on a logarithmic scale; float32 rounds to 6e-8. ${parted === 0 ? "None is above" : `${parted} of ${values.length} are above`} ${shortNumber(threshold)}.${shown.length < values.length ? ` The ${mostBars} largest of ${values.length}.` : ""}`,
        value: { label: "relative error", scale: "log", unit: plain },
        categories: shown.map(({ name }) => name),
        series: [{ name: "", values: shown.map(({ relative }) => relative) }],
      },
    },
    {
      kind: "table",
      caption: "Values inside",
      folded: values.length > 30,
      columns: ["value", "largest difference", "mean difference", "relative", "verdict"].map((label) => ({ label })),
      rows: values.map(({ name, maxAbsolute, meanAbsolute, relative, nonFinite, parted: apart }) => [
        name,
        shortNumber(maxAbsolute),
        shortNumber(meanAbsolute),
        shortNumber(relative),
        { text: nonFinite > 0 ? "not finite" : apart ? "parted" : "same", look: apart ? "bad" : "good" },
      ]),
    },
  ];
}

function kernelSections(blocks: readonly BlockKernels[]): readonly Section[] {
  const detail = blocks.find(({ kernels }) => kernels.length > 3) ?? blocks[0]!;
  const names = detail.kernels.slice(0, -1).map(({ name }) => name);
  const strength: HeatMap = {
    kind: "heat-map",
    title: "Mean weight of each tap, before and after folding",
    description:
      "Absolute weights averaged over all channels, BatchNorm taken in. The 1×1 and identity branches stand in the middle of the 3×3 kernel and make it heavy there.",
    scale: "sequential",
    panels: blocks.flatMap(({ path, kernels }) =>
      kernels.map(({ name, meanAbsolute }, i) => panel(name, meanAbsolute, i === 0 ? path : undefined)),
    ),
  };
  const single: HeatMap = {
    kind: "heat-map",
    title: `Single kernels of ${detail.path}`,
    description: `From input channel c to output channel c: ${names.join(", ")}, and what they became, the sum of the others. The channels whose 3×3 kernels are the largest.`,
    scale: "diverging",
    panels: detail.channels.flatMap((channel, sample) =>
      detail.kernels.map(({ name, samples }, i) =>
        panel(name, samples[sample]!, i === 0 ? `c = ${channel}` : undefined),
      ),
    ),
  };
  return [
    { kind: "heading", text: "Kernels before and after folding" },
    { kind: "chart", chart: strength },
    { kind: "chart", chart: single },
  ];
}

function panel(title: string, values: readonly number[], row: string | undefined): HeatPanel {
  return { title, rows: 3, columns: 3, values, ...(row !== undefined && { row }) };
}
