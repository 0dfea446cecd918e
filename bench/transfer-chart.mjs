// Accuracy against the number of pictures, one line a way of training: the picture of bench/transfer.mjs.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { share } from "#repvgg/report/charts/unit.js";
import { standaloneSvg } from "#repvgg/report/standalone.js";

/** @param results what bench/transfer.mjs writes */
export async function drawTransfer({ summary, targetClasses, rows }, file) {
  const methods = [...new Set(summary.map(({ method }) => method))];
  const chart = {
    kind: "lines",
    title: "test top-1 by training pictures of each class",
    description:
      "Accuracy on all test pictures after the last epoch, mean of the seeds; whiskers are their standard deviation.",
    x: { label: "training pictures of each class", scale: "log" },
    y: { label: "of the test pictures", unit: share },
    series: methods.map((name) => ({
      name,
      draw: "both",
      points: summary
        .filter(({ method }) => method === name)
        .map(({ count, mean, deviation }) => ({ x: count, y: mean, spread: deviation })),
    })),
  };
  const seeds = new Set(rows.map(({ seed }) => seed)).size;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    standaloneSvg(`${targetClasses.join(", ")}: from scratch and fine-tuned, ${seeds} seeds`, [chart], 560, 1),
  );
  console.log(file);
}
