// docs/images/fold.svg: three branches of a block of the shipped net become one convolution, in numbers.
import { architecture, blockAlgebra, counts, fold, loadModel, repvgg, toGraph } from "./library.mjs";

/** A block of the shipped net, and one of its channels whose three kernels all show. */
const [block, channel] = ["stage2.2", 90];
const model = await loadModel("assets/models/cifar10/train.safetensors");

const cell = 46;
const grid = 3 * cell;
const labels = {
  dense: ["3×3 convolution", "+ BatchNorm"],
  pointwise: ["1×1 convolution", "+ BatchNorm"],
  identity: ["identity", "+ BatchNorm"],
};

/** Blue for above 0, orange for below; text stays readable on both. */
function color(value, limit) {
  const share = Math.min(1, Math.abs(value) / limit);
  const [from, to] = [[244, 245, 247], value < 0 ? [240, 150, 100] : [95, 165, 230]];
  return `rgb(${from.map((start, i) => Math.round(start + (to[i] - start) * share)).join(",")})`;
}

function text(x, y, words, look = "") {
  return `<text x="${x}" y="${y}"${look && ` class="${look}"`}>${words}</text>`;
}

function kernel(x, y, weight, limit) {
  return [...weight].map((value, i) => {
    const [cx, cy] = [x + (i % 3) * cell, y + Math.floor(i / 3) * cell];
    const words = Math.abs(value) < 0.005 ? "0" : value.toFixed(2).replace("-", "−");
    const rect = `<rect x="${cx}" y="${cy}" width="${cell - 2}" height="${cell - 2}" rx="4" fill="${color(value, limit)}"/>`;
    return rect + text(cx + cell / 2 - 1, cy + cell / 2 + 4, words, words === "0" ? "zero" : "value");
  });
}

/** The picture as SVG. Every number in it comes from the library. */
export function foldPicture() {
  const one = [channel, channel + 1];
  const { branches, sum } = blockAlgebra(model, block, { outChannels: one, inChannels: one });
  const limit = Math.max(...sum.weight);
  const top = 96;
  const parts = [];
  const step = grid + 58;
  branches.forEach(({ branch, stages }, i) => {
    const x = 48 + i * step;
    parts.push(...kernel(x, top, stages.at(-1).weight, limit));
    labels[branch].forEach((line, row) => {
      parts.push(text(x + grid / 2 - 1, top + grid + 26 + row * 19, line, "label"));
    });
    parts.push(text(x + grid + 28, top + grid / 2 + 10, i < branches.length - 1 ? "+" : "=", "sign"));
  });
  const x = 48 + branches.length * step + 26;
  parts.push(`<rect x="${x - 14}" y="${top - 14}" width="${grid + 26}" height="${grid + 26}" rx="12" class="frame"/>`);
  parts.push(...kernel(x, top, sum.weight, limit));
  parts.push(text(x + grid / 2 - 1, top + grid + 36, "one 3×3 convolution", "label strong"));
  parts.push(text(48, 52, "As it is trained: three branches", "title"), text(x - 14, 52, "As it runs: one", "title"));

  const net = architecture("A0");
  const { parameters } = counts(net, [224, 224]);
  const graphs = { train: toGraph(repvgg("A0")), plain: toGraph(repvgg("A0", { form: "plain" })) };
  const folded = fold(graphs.train).graph;
  if (folded.nodes.length !== graphs.plain.nodes.length) throw new Error("the plain form is not what the fold gives");
  const million = (count) => `${(count / 1e6).toFixed(2)} M`;
  const convolutions = ({ nodes }) => nodes.filter(({ op }) => op === "Conv").length;
  const facts = [
    ["convolutions", convolutions(graphs.train), convolutions(folded)],
    ["operations", graphs.train.nodes.length, folded.nodes.length],
    ["parameters", million(parameters.train), million(parameters.plain)],
  ];
  const row = top + grid + 108;
  parts.push(text(48, row, "RepVGG-A0, whole net", "label left strong"));
  facts.forEach(([what, before, after], i) => {
    parts.push(
      text([262, 436, 606][i], row, `${what}  ${before} → <tspan class="strong">${after}</tspan>`, "label left"),
    );
  });
  parts.push(
    text(
      48,
      row + 26,
      `Kernel of channel ${channel} on itself in block ${block} of the shipped CIFAR-10 net, BatchNorm taken in.`,
      "note",
    ),
  );
  const [width, height] = [x + grid + 48, row + 50];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="t">
<title id="t">Three branches, each with BatchNorm, add up to one 3×3 convolution with the same outputs</title>
<style>text{font:15px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:#171a21;text-anchor:middle}.value{font-size:14px;font-variant-numeric:tabular-nums}.zero{font-size:14px;fill:#8a92a0}.label{font-size:15px}.left,.title,.note{text-anchor:start}.title{font-size:19px;font-weight:600}.sign{font-size:30px;fill:#565e6c}.note{font-size:13px;fill:#565e6c}.strong{font-weight:600}.frame{fill:none;stroke:#0b66b7;stroke-width:2.5}</style>
<rect width="100%" height="100%" rx="14" fill="#ffffff"/>
${parts.join("\n")}
</svg>
`;
}
