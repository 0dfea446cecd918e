import type { FoldReport, RegionReport } from "../fold/report.js";
import type { TracedMap } from "../fold/trace.js";
import { plural, shortNumber } from "../terminal/format.js";
import type { RegionProof } from "../verify/proof/prove-region.js";

/**
 * A fold as lines for people: what there is of each kind, then region by region what every node made of the source, what became of it and
 * how that was proven, then each linear node that stayed, with what can be done.
 * @param proofs undefined where nothing was proven
 */
export function explainFold({ regions, refusals }: FoldReport, proofs: readonly RegionProof[] | undefined): string[] {
  return [
    `${plural(regions.length, "region")} folded, ${plural(refusals.length, "linear node")} stayed`,
    ...counted(regions.map(({ op, form }) => `${op} ${form.split(",")[0]}`)).map((line) => `  became ${line}`),
    ...counted(refusals.map(({ kind }) => kind)).map((line) => `  stayed ${line}`),
    ...regions.flatMap((region, i) => [
      "",
      `region ${i + 1} of ${regions.length}: "${region.source}" → "${region.output}"`,
      ...explainRegion(region, proofs).map((line) => `  ${line}`),
    ]),
    ...refusals.flatMap(({ node, op, reason, kind, remedy, page }) => [
      "",
      `stayed: ${op} "${node}"`,
      `  why: ${reason}`,
      `  what to do: ${remedy}`,
      `  kind: ${kind}, see ${page}`,
    ]),
    "",
  ];
}

function explainRegion(region: RegionReport, proofs: readonly RegionProof[] | undefined): string[] {
  const { steps, op, conv, form, macsBefore, macsAfter, output } = region;
  const ratio = macsBefore > 0 ? ` (${shortNumber(macsAfter / macsBefore)} ×)` : "";
  const cost = `${macsBefore.toLocaleString("en")} → ${macsAfter.toLocaleString("en")} multiply-accumulates${ratio}`;
  const proof = proofs?.find((each) => each.output === output);
  return [
    ...steps.map(
      (step) =>
        `${step.op} "${step.node}" [${step.rule}]: ${step.maps.map(describeMap).join("; ") || "with what reads it"}`,
    ),
    `became ${op} "${conv}": ${form}; ${cost}`,
    proof ? describeProof(proof) : "not proven",
  ];
}

function describeProof({ relative, ofBound, storedAs, shapes }: RegionProof): string {
  const sources = shapes.map((shape) => shape.join("×")).join(", ");
  const bound = `${shortNumber(ofBound)} of what rounding the weights to ${storedAs} explains`;
  return `proven in float64 on sources of ${sources}: relative difference at most ${shortNumber(relative)}, ${bound}`;
}

/** "3×3, 8 → 16, stride 1, pads 1, groups 1" */
function describeMap({ permutation, ...map }: TracedMap): string {
  const { inChannels, outChannels, groups, kernelSize, stride, pads, dilation, upsampling } = map;
  const channels = `${inChannels} → ${outChannels}`;
  const order = permutation ? `, axes in the order ${permutation.join(" ")}` : "";
  if (kernelSize.length === 0) return `${channels}${order}`;
  const parts = [
    kernelSize.join("×"),
    channels,
    `stride ${oneFor(stride)}`,
    `pads ${oneFor(pads)}`,
    ...(dilation.some((d) => d > 1) ? [`dilation ${oneFor(dilation)}`] : []),
    ...(upsampling.some((u) => u > 1) ? [`source spread ${oneFor(upsampling)}`] : []),
    `groups ${groups}`,
  ];
  return `${parts.join(", ")}${order}`;
}

/** Numbers that are all the same as one. */
const oneFor = (numbers: readonly number[]): string =>
  numbers.every((number) => number === numbers[0]) ? String(numbers[0]) : `[${numbers.join(" ")}]`;

/** "3 × Conv 3×3", the most frequent first. */
function counted(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${count} × ${name}`);
}
