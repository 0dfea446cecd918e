import type { BlockAlgebra, BranchName, KernelView } from "../analysis/block-algebra.js";
import { counts } from "../analysis/counts.js";
import { blockName } from "../analysis/diagnosis/finding.js";
import { saysBalanced, saysTop5 } from "../api/evaluation.js";
import { percent, plural, shortNumber, wholeCount } from "../core/format.js";
import { type Report, type Section, units } from "../report/report-page.js";
import { memoryTimelineChart } from "../studies/profile/memory-page.js";
import { timeChart } from "../studies/profile/page.js";
import type { EpochRecord } from "../train/history.js";
import { evaluationSections, warningSection } from "./evaluation-page.js";
import type { TrainingFacts } from "./training-facts.js";

/** A training run to look at: curves, classes, mistakes, and what folding does to this very net. */
export function trainingReport(facts: TrainingFacts, footer: readonly string[] = []): Report {
  const { model, train, test, epochs, evaluation, mistakes, verification, algebra, profile, machine } = facts;
  const { warnings, remarks = [] } = facts;
  const last = epochs.at(-1)!;
  return {
    kind: "repvgg train",
    title: `RepVGG ${model.architecture.name} on ${train.name}`,
    lead: lead(facts),
    sections: [
      keyFigures(facts),
      ...warningSection(warnings),
      ...remarks.map((text) => ({ kind: "text", text }) as const),
      { kind: "heading", text: "Curves" },
      ...curves(epochs),
      ...evaluationSections(evaluation, mistakes),
      { kind: "heading", text: "Folding" },
      ...(verification ? foldSections(verification) : [noFold]),
      ...(algebra ? kernelSections(algebra) : []),
      ...(profile
        ? [
            { kind: "heading", text: "Time and memory of one picture" } as const,
            { kind: "chart", chart: timeChart(profile.backends[0]!) } as const,
            { kind: "chart", chart: memoryTimelineChart(profile.memory.slice(0, 2)) } as const,
            {
              kind: "text",
              text: "repvgg profile shows more: the roofline, costs by layer, memory of a block, and what the process really used.",
            } as const,
          ]
        : []),
      { kind: "heading", text: "How it was made" },
      settingsTable(facts),
      historyTable(epochs, saysTop5(evaluation.perClass.length)),
    ],
    footer: [
      ...footer,
      `Tested on ${test.name}, ${plural(evaluation.images, "picture")}; ${plural(last.step, "step")} of training.`,
      `${machine.processor}, ${plural(machine.cores, "core")}, Node ${machine.node}, ${machine.date}.`,
    ],
  };
}

function lead({ evaluation, epochs, verification }: TrainingFacts): string {
  const accuracy = `${percent(evaluation.top1)} of ${plural(evaluation.images, "test picture")} are recognised after ${plural(epochs.at(-1)!.epoch, "epoch")}.`;
  if (!verification) return accuracy;
  const { samples, top1Disagreements, outputs } = verification;
  const same =
    top1Disagreements === 0 ? "gives the same answers" : `gives ${plural(top1Disagreements, "other answer")}`;
  return `${accuracy} Folded into plain 3×3 convolutions, the net ${same} on ${plural(samples, "picture")}, its logits within ${shortNumber(outputs.maxAbsolute)}.`;
}

function keyFigures({ model, evaluation, epochs, verification, profile }: TrainingFacts): Section {
  const best = epochs.reduce((a, b) => (b.testTop1 > a.testTop1 ? b : a));
  const { parameters } = counts(model.architecture, model.metadata.preprocessing.size);
  const runs = profile?.backends[0]?.forms.map(({ form, run }) => ({ form, milliseconds: run.median }));
  return {
    kind: "figures",
    figures: [
      {
        label: "test top-1",
        value: percent(evaluation.top1),
        note: `best ${percent(best.testTop1)} after epoch ${best.epoch}`,
      },
      ...(saysBalanced(evaluation)
        ? [
            {
              label: "balanced accuracy",
              value: percent(evaluation.balancedAccuracy),
              note: "mean recall of the classes",
            },
          ]
        : []),
      {
        label: "test loss",
        value: evaluation.loss.toFixed(4),
        ...(saysTop5(evaluation.perClass.length) && { note: `top-5 ${percent(evaluation.top5)}` }),
      },
      ...(verification
        ? [
            {
              label: "parameters, folded",
              value: wholeCount(parameters.plain),
              note: `in training form ${wholeCount(parameters.train)}`,
            },
          ]
        : [{ label: "parameters", value: wholeCount(parameters.train) }]),
      ...(runs
        ? [
            {
              label: "one picture, folded",
              value: `${shortNumber(runs.at(-1)!.milliseconds)} ms`,
              note: `${runs[0]!.form} ${shortNumber(runs[0]!.milliseconds)} ms`,
            },
          ]
        : []),
    ],
  };
}

function curves(epochs: readonly EpochRecord[]): Section[] {
  const x = { label: "epoch", unit: { format: (epoch: number) => (Number.isInteger(epoch) ? String(epoch) : "") } };
  const series = (name: string, of: (epoch: EpochRecord) => number) => ({
    name,
    draw: "both" as const,
    points: epochs.map((epoch) => ({ x: epoch.epoch, y: of(epoch) })),
  });
  const [first, last] = [epochs[0]!, epochs.at(-1)!];
  return [
    {
      kind: "chart",
      chart: {
        kind: "lines",
        title: "Accuracy on the test pictures",
        description: `Top-1 from ${percent(first.testTop1)} after the first epoch to ${percent(last.testTop1)} after the last.`,
        x,
        y: { label: "share recognised", unit: units.share },
        series: [series("top-1", (epoch) => epoch.testTop1)],
      },
    },
    {
      kind: "chart",
      chart: {
        kind: "lines",
        title: "Loss",
        description:
          "Training: mean over the epoch's steps, with all that makes training harder (variation of pictures, label smoothing, mixing). Test: at the epoch's end, without.",
        x,
        y: { label: "cross-entropy", zero: true },
        series: [series("training", (epoch) => epoch.trainLoss), series("test", (epoch) => epoch.testLoss)],
      },
    },
  ];
}

const noFold: Section = {
  kind: "notes",
  notes: [
    {
      level: "info",
      text: "The blocks of this net are not linear before their ReLU: they do not fold, and the net runs as it was trained.",
    },
  ],
};

function foldSections({ samples, outputs, values }: NonNullable<TrainingFacts["verification"]>): Section[] {
  const blocks = values.filter(({ name }) => name.endsWith(".rbr_reparam"));
  const worst = blocks.reduce<(typeof blocks)[number] | undefined>(
    (a, b) => (a && a.relative >= b.relative ? a : b),
    undefined,
  );
  const where = worst ? ` The largest is ${shortNumber(worst.relative)} in ${blockName(worst.name)}.` : "";
  return [
    {
      kind: "chart",
      chart: {
        kind: "bars",
        title: "Difference of both forms, layer by layer",
        description: `The largest difference before each ReLU between the branches and the one convolution that replaces them, as a part of the layer's largest value: rounding of float32, on real pictures.${where} Of the logits: ${shortNumber(outputs.relative)}, on ${plural(samples, "picture")}.`,
        value: { label: "largest difference / largest value" },
        categories: blocks.map(({ name }) => blockName(name)),
        series: [{ name: "", values: blocks.map(({ relative }) => relative) }],
      },
    },
  ];
}

const branchNames: Readonly<Record<BranchName, string>> = {
  dense: "3×3 branch",
  pointwise: "1×1 branch",
  identity: "identity branch",
};

function kernelSections({ path, branches, sum, inChannels, outChannels }: BlockAlgebra): Section[] {
  // A channel's identity is near 1 and would leave the other weights without colour.
  const others = branches
    .filter(({ branch }) => branch !== "identity")
    .flatMap(({ stages }) => [...stages.at(-1)!.weight]);
  const limit = others.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  const matrix = (title: string, view: KernelView) => ({ title, ...asMatrix(view, outChannels[1], inChannels[1]) });
  return [
    {
      kind: "chart",
      chart: {
        kind: "heat-map",
        title: `Kernels of ${path}, before and after`,
        description: `Each branch with its BatchNorm taken in, as a 3×3 kernel, and their sum, the folded kernel. Each matrix has a row of kernels for each of ${outChannels[1]} output channels and a column for each of ${inChannels[1]} input channels. The 1×1 branch has only middles, the identity only those of a channel with itself. Full colour is the largest weight of the other branches.`,
        panels: [
          ...branches.map(({ branch, stages }, i) => ({
            ...matrix(branchNames[branch], stages.at(-1)!),
            ...(i === 0 && { row: `output channels 1 to ${outChannels[1]} by input channels 1 to ${inChannels[1]}` }),
          })),
          matrix("folded: the sum", sum),
        ],
        scale: "diverging",
        limit,
      },
    },
  ];
}

/** Kernels [outputs][inputs][height][width] side by side: rows outputs × height, columns inputs × width. */
function asMatrix({ weight, size }: KernelView, outputs: number, inputs: number) {
  const [height, width] = size;
  const [rows, columns] = [outputs * height, inputs * width];
  const values = Float32Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const kernel = Math.floor(row / height) * inputs + Math.floor(column / width);
    return weight[(kernel * height + (row % height)) * width + (column % width)]!;
  });
  return { rows, columns, values };
}

function settingsTable({ config, model, train, test }: TrainingFacts): Section {
  const { size, channels, mean, std } = model.metadata.preprocessing;
  const { augmentation, ...settings } = config;
  const rows: [string, string][] = [
    ["training pictures", `${train.name}, ${wholeCount(train.length)}`],
    ["test pictures", `${test.name}, ${wholeCount(test.length)}`],
    ["input", `${size.join("×")}×${channels}, mean ${mean.join(", ")}, std ${std.join(", ")}`],
    ...Object.entries(settings).map(([name, value]): [string, string] => [words(name), String(value)]),
    ["variation of pictures", JSON.stringify(augmentation)],
    ...Object.entries(model.metadata.provenance).map(([name, value]): [string, string] => [words(name), value]),
  ];
  return {
    kind: "table",
    caption: "Settings",
    folded: true,
    columns: [{ label: "what" }, { label: "value", align: "left" }],
    rows,
  };
}

/** "learningRate" → "learning rate" */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function historyTable(epochs: readonly EpochRecord[], withTop5: boolean): Section {
  return {
    kind: "table",
    caption: "Every epoch",
    folded: true,
    columns: ["epoch", "training loss", "test loss", "top-1", ...(withTop5 ? ["top-5"] : []), "learning rate"].map(
      (label) => ({ label }),
    ),
    rows: epochs.map(({ epoch, trainLoss, testLoss, testTop1, testTop5, learningRate }) => [
      epoch,
      trainLoss.toFixed(4),
      testLoss.toFixed(4),
      percent(testTop1),
      ...(withTop5 ? [percent(testTop5)] : []),
      shortNumber(learningRate),
    ]),
  };
}
