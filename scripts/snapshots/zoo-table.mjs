// docs/choose.md's table: what the nets cost as we count it, what they reach as their authors say, how long they take as was measured last.
import { readFileSync } from "node:fs";
import { architecture, counts, variantNames, variants } from "./library.mjs";

/**
 * Top-1 on ImageNet in percent, as printed: of the paper (Ding et al. 2021, arXiv:2101.03697) table 4 (120 epochs) or 5 (200 epochs);
 * of D2se the authors' README, at 320 pixels.
 */
const printed = {
  A0: { top1: "72.41", source: "table 4" },
  A1: { top1: "74.46", source: "table 4" },
  A2: { top1: "76.48", source: "table 4" },
  B0: { top1: "75.14", source: "table 4" },
  B1: { top1: "78.37", source: "table 4" },
  B1g2: { top1: "77.78", source: "table 4" },
  B1g4: { top1: "77.58", source: "table 4" },
  B2: { top1: "78.78", source: "table 4" },
  B2g4: { top1: "78.50", source: "table 4" },
  B3: { top1: "80.52", source: "table 5" },
  B3g4: { top1: "80.21", source: "table 5" },
  D2se: { top1: "83.55", source: "authors" },
};

const measured = JSON.parse(readFileSync(new URL("../../bench/results/inference.json", import.meta.url), "utf8"));

export function zooTable() {
  const rows = variantNames.map((name) => {
    const { inputSize } = variants[name];
    const { parameters, macs } = counts(architecture(name), inputSize);
    const said = printed[name];
    return [
      name,
      inputSize,
      said ? `${said.top1} (${said.source})` : "–",
      millions(parameters.plain),
      ((4 * parameters.plain) / 1e6).toFixed(parameters.plain < 1e6 ? 1 : 0),
      (macs.plain / 1e9).toFixed(macs.plain < 1e8 ? 3 : 2),
      ...["repvgg:native", "repvgg:wasm"].map((engine) => milliseconds(name, engine)),
    ];
  });
  const head = [
    "net",
    "input",
    "top-1, % (whose)",
    "parameters, M",
    "file, MB",
    "MACs, G",
    "native, ms",
    "WebAssembly, ms",
  ];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function millions(count) {
  return (count / 1e6).toFixed(count < 1e6 ? 3 : 1);
}

/** Median of one picture on 1 and on 2 threads. */
function milliseconds(name, engine) {
  const medians = [1, 2].map((threads) => {
    const result = measured.results.find(
      ({ model, threads: t, batch }) => model === name && t === threads && batch === 1,
    );
    return result?.engines.find((candidate) => candidate.engine === engine)?.times?.median;
  });
  return medians.every((median) => median === undefined)
    ? ""
    : medians.map((ms) => ms?.toPrecision(3) ?? "–").join(" / ");
}
