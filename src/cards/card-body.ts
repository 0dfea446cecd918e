import { percent, plural, wholeCount } from "../core/format.js";
import type { Model } from "../nn/model.js";
import { type CardFacts, type CardResults, type CardTraining, nameOnHub, splitNames } from "./card-facts.js";
import { isTimmNet } from "./timm-net.js";

/** Classes up to which each has a row of its own. */
const mostRows = 100;

/** The part of a card that people read, in Markdown. */
export function bodyOf({ name, model, training, results }: CardFacts): string {
  return `${[
    `# ${inline(name)}`,
    whatItIs(model, results),
    "## Classes",
    classes(model),
    "## How pictures are prepared",
    preprocessing(model),
    "## How to use it",
    usage(model),
    "## How it was trained",
    training ? howTrained(training, model) : unknownTraining(model),
    "## Results",
    results ? measured(results) : "Nothing was measured when this card was written.",
    "## Limits",
    limits(model, results),
  ].join("\n\n")}\n`;
}

function whatItIs(model: Model, results: CardResults | undefined): string {
  const { architecture, form, metadata } = model;
  const [height, width] = metadata.preprocessing.size;
  const net = architecture.name === "custom" ? "a RepVGG of its own structure" : `RepVGG ${architecture.name}`;
  const shape = `depths ${architecture.depths.join(", ")}, widths ${architecture.widths.join(", ")}`;
  const forms =
    form === "train"
      ? "It is in training form, with its branches and BatchNorms; `repvgg fold` makes one 3×3 convolution of each block, with the same answers."
      : "It is in plain form: one 3×3 convolution with bias and a ReLU a block. Its own branches cannot be got back; `repvgg train --from` gives it new ones.";
  const score =
    results && results.pictures !== "validation"
      ? ` It names ${scored(results.top1, results.images)} right (${splitNames[results.pictures]} of ${inline(results.dataset)}).`
      : "";
  return `An image classifier: ${net} (Ding et al. 2021, arXiv:2101.03697; ${shape}; ${wholeCount(parameters(model))} parameters) for ${classCount(architecture.classes)} and pictures of ${width}×${height} pixels.${score} ${forms}`;
}

/** Learned numbers: all but BatchNorm's statistics and counters. */
function parameters({ state }: Model): number {
  const learned = [...state].filter(([path]) => !/\.(running_mean|running_var|num_batches_tracked)$/.test(path));
  return learned.reduce((sum, [, { shape }]) => sum + shape.reduce((product, side) => product * side, 1), 0);
}

function classes({ metadata: { classNames, assumed = [] } }: Model): string {
  if (assumed.includes("classNames")) return `${wholeCount(classNames.length)}, of which no names are known.`;
  const named = classNames.map((name) => inline(name));
  const shown = named.slice(0, mostRows).join(", ");
  return named.length <= mostRows
    ? `${shown}.`
    : `${shown} and ${wholeCount(named.length - mostRows)} more (config.json has all).`;
}

function preprocessing({ metadata: { preprocessing: prepared, assumed = [] } }: Model): string {
  const { size, channels, mean, std, cropRatio } = prepared;
  const [height, width] = size;
  const covered = [height, width].map((side) => Math.floor(side / cropRatio + 1e-9));
  const resized =
    covered[0] === covered[1]
      ? `its shorter side has ${covered[0]} pixels`
      : `it covers ${covered[1]}×${covered[0]} pixels`;
  const rows = [
    `1. ${channels === 3 ? "RGB, transparent parts on white" : "Grey, transparent parts on white"}`,
    `2. resized (antialiased bilinear, as PIL) so that ${resized}`,
    `3. the centre of ${width}×${height} pixels (width×height)`,
    `4. (value / 255 − mean) / deviation, mean ${mean.join(", ")}, deviation ${std.join(", ")}`,
  ];
  const unsure = assumed.filter((field) => field !== "classNames");
  const note = unsure.length > 0 ? `\n\nNobody said ${unsure.join(", ")}: what is usual was assumed.` : "";
  return `${rows.join("\n")}\n\nThe library does it; \`config.json\` says it in timm's form.${note}`;
}

function usage(model: Model): string {
  return `In Node by its name ([repvgg](https://www.npmjs.com/package/repvgg) with \`@huggingface/hub\` beside it), in a page by its address:

\`\`\`ts
import { createClassifier } from "repvgg";

const classifier = await createClassifier("${nameOnHub}");
const { predictions } = await classifier.classify("picture.jpg");
console.log(predictions[0].name, predictions[0].probability);
\`\`\`

\`\`\`ts
import { createEngine } from "repvgg/browser";

const engine = await createEngine();
const net = await engine.load("https://huggingface.co/${nameOnHub}/resolve/main/model.safetensors");
const { predictions } = await net.classify(document.querySelector("img"));
\`\`\`

On the command line:

\`\`\`sh
repvgg pull ${nameOnHub} -o net.safetensors
repvgg predict net.safetensors picture.jpg
\`\`\`

${forTimm(model)}`;
}

function forTimm(model: Model): string {
  return isTimmNet(model)
    ? `The weights have timm's names: in Python \`timm.create_model("hf-hub:${nameOnHub}", pretrained=True)\`.`
    : "timm has no net of this structure or form: its `create_model` does not read it. `repvgg export` writes ONNX and PyTorch's state dict.";
}

function howTrained({ command, dataset, pictures, settings }: CardTraining, model: Model): string {
  const origin = model.metadata.provenance["repository"];
  const rows = Object.entries(settings).map(([label, value]) => `| ${cell(label)} | ${cell(shown(value))} |`);
  return [
    `On ${plural(pictures, "picture")} of ${inline(dataset)}${origin === undefined ? "" : `, from the weights of ${inline(origin)}`}${command === undefined ? ", by a program with repvgg's `train`:" : ":"}`,
    ...(command === undefined ? [] : [`\`\`\`sh\n${command}\n\`\`\``]),
    `| setting | |\n|---|---|\n${rows.join("\n")}`,
  ].join("\n\n");
}

function shown(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function unknownTraining({ metadata: { provenance } }: Model): string {
  const { trainedOn, repository, url } = provenance;
  const known = [
    ...(trainedOn === undefined ? [] : [`On ${inline(trainedOn)}.`]),
    ...((repository ?? url) === undefined ? [] : [`Weights from ${inline((repository ?? url)!)}.`]),
  ];
  return known.length > 0 ? known.join(" ") : "Not known to the program that wrote this card.";
}

function measured(results: CardResults): string {
  const { pictures, dataset, images, top1, top5, balancedAccuracy, loss, perClass, warnings } = results;
  const [low, high] = interval(top1, images);
  const where = `${inline(dataset)}: ${splitNames[pictures]}`;
  const rows = [
    `| top-1 accuracy | ${percent(top1)} (95 % interval ${percent(low)} to ${percent(high)}) |`,
    ...(balancedAccuracy === undefined
      ? []
      : [`| balanced accuracy (mean recall of the classes, whose sizes differ) | ${percent(balancedAccuracy)} |`]),
    ...(perClass.length > 5 ? [`| top-5 accuracy | ${percent(top5)} |`] : []),
    `| mean cross-entropy | ${loss.toFixed(4)} |`,
  ];
  const chose =
    "These pictures judged the epochs of the training, and nothing else was measured: the figures are a little too good.";
  const recall = perClass
    .slice(0, mostRows)
    .map(({ name, recall: share }) => `| ${cell(inline(name))} | ${Number.isFinite(share) ? percent(share) : "–"} |`);
  return [
    `On ${plural(images, "picture")} (${where}).${pictures === "validation" ? ` ${chose}` : ""}`,
    `| | |\n|---|---|\n${rows.join("\n")}`,
    `| class | recognised |\n|---|---|\n${recall.join("\n")}`,
    ...(warnings.length > 0 ? [warnings.map((line) => `- ${inline(line)}`).join("\n")] : []),
  ].join("\n\n");
}

function limits({ metadata: { classNames } }: Model, results: CardResults | undefined): string {
  const few = results && results.pictures !== "validation" && results.images < 500;
  return [
    `- It knows ${classCount(classNames.length)} and nothing else: a picture of anything else gets one of them too, often with a high probability.`,
    "- Pictures unlike those it was trained on (other cameras, light, sizes, drawings) are recognised less often than the figures say.",
    "- A probability is the net's own measure, not checked against how often it is right.",
    ...(few ? [`- ${plural(results.images, "picture")} measure little: see the interval.`] : []),
  ].join("\n");
}

function classCount(count: number): string {
  return `${wholeCount(count)} ${count === 1 ? "class" : "classes"}`;
}

/** "91.25 % of 2,000 pictures" */
function scored(share: number, images: number): string {
  return `${percent(share)} of ${plural(images, "picture")}`;
}

/** Wilson's 95 % interval of a share of n (Wilson 1927): (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), z = 1.96. */
export function interval(share: number, n: number): [low: number, high: number] {
  const z = 1.959964;
  const centre = share + (z * z) / (2 * n);
  const spread = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, (centre - spread) / (1 + (z * z) / n)), Math.min(1, (centre + spread) / (1 + (z * z) / n))];
}

/** Names of others as Markdown that shows them as they are: no links, no markup, no lines. */
function inline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_[\]<>#|!~]/g, "\\$&");
}

function cell(text: string): string {
  return text.replace(/\s+/g, " ").replace(/(?<!\\)\|/g, "\\|");
}
