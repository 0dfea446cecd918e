import { plain } from "../../report/charts/unit.js";
import type { Report } from "../../report/page/section.js";
import { type ZooRow, zooCells, zooHead } from "./zoo.js";

/** The paper's table beside our counts, as a report. */
export function zooReport(rows: readonly ZooRow[]): Report {
  const compared = rows.filter(({ paper }) => paper);
  const agreeing = compared.filter(({ agrees }) => agrees).length;
  return {
    kind: "repvgg profile --zoo",
    title: "The zoo beside the paper",
    lead: `${agreeing} of the ${compared.length} nets that the paper lists have the paper's parameters, FLOPs and Winograd multiplications, digit for digit.`,
    sections: [
      {
        kind: "table",
        caption:
          "Parameters and arithmetic at 224×224 (small nets at their own size), plain form unless it says otherwise",
        columns: zooHead.map((label) => ({ label })),
        rows: rows.map(zooCells),
      },
      {
        kind: "chart",
        chart: {
          kind: "bars",
          title: "Multiplications of the plain form",
          description:
            "Directly, and where Winograd F(2×2, 3×3) runs the 3×3 convolutions of stride 1 with 4/9 of their products.",
          value: { label: "10⁹ for one picture", unit: plain },
          categories: compared.map(({ name }) => name),
          series: [
            { name: "direct", values: compared.map(({ macs }) => macs.plain / 1e9) },
            { name: "Winograd", values: compared.map(({ winogradMultiplications: n }) => n / 1e9) },
          ],
        },
      },
    ],
    footer: [
      "Paper: Ding et al., RepVGG: Making VGG-style ConvNets Great Again, CVPR 2021 (arXiv:2101.03697), tables 4 and 5. It cuts parameters off after two decimals and rounds the rest to one.",
      "Squeeze-and-excitation is not counted.",
    ],
  };
}
