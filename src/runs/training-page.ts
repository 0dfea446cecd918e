import type { BlockAlgebra, BranchName, KernelView } from "../analysis/block-algebra.js";
import { counts } from "../analysis/counts.js";
import { blockName } from "../analysis/diagnosis/finding.js";
import { saysBalanced, saysTop5 } from "../api/evaluation.js";
import { percent, plural, shortNumber, wholeCount } from "../core/format.js";
import type { Dataset } from "../data/dataset.js";
import { type Report, type Section, units } from "../report/report-page.js";
import { memoryTimelineChart } from "../studies/profile/memory-page.js";
import { timeChart } from "../studies/profile/page.js";
import type { EpochRecord } from "../train/history.js";
import { evaluationSections, warningSection } from "./evaluation-page.js";
import { describeChoice, type Measured } from "./measured.js";
import type { TrainingFacts } from "./training-facts.js";

/** A training run to look at: curves, classes, mistakes, and what folding does to this very net. */
export function trainingReport(facts: TrainingFacts, footer: readonly string[] = []): Report {
  const { model, sets, epochs, measured, mistakes, verification, algebra, profile, machine } = facts;
  const { warnings, remarks } = facts;
  const last = epochs.at(-1)!;
  return {
    kind: "repvgg train",
    title: `RepVGG ${model.architecture.name} on ${sets.train.name}`,
    lead: lead(facts),
    sections: [
      keyFigures(facts),
      ...warningSection(warnings),
      ...remarks.map((text) => ({ kind: "text", text }) as const),
      { kind: "heading", text: "Curves" },
      ...curves(epochs),
      ...(measured ? evaluationSections(measured.evaluation, mistakes) : []),
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
      historyTable(epochs, saysTop5(model.architecture.classes)),
    ],
    footer: [
      ...footer,
      `${measured ? `Measured on ${measured.dataset.name}, ${plural(measured.evaluation.images, "picture")}; ` : ""}${plural(last.step, "step")} of training.`,
      `${machine.processor}, ${plural(machine.cores, "core")}, Node ${machine.node}, ${machine.date}.`,
    ],
  };
}

const measuredAs = { test: "test", "held-out": "held-out", validation: "validation" } as const;

function lead({ measured, epochs, chosen, config, sets, verification }: TrainingFacts): string {
  const choice = describeChoice(chosen, epochs.at(-1)!.epoch, config, sets);
  const accuracy = measured
    ? `${percent(measured.evaluation.top1)} of ${plural(measured.evaluation.images, `${measuredAs[measured.pictures]} picture`)} are recognised by the net of ${choice}.`
    : `The net of ${choice}; all pictures were trained on, so no accuracy was measured.`;
  const how = measured === undefined ? "" : measured.pictures === "validation" ? judgedBy : lookedAtOnce;
  if (!verification) return `${accuracy}${how}`;
  const { samples, top1Disagreements, outputs } = verification;
  const same =
    top1Disagreements === 0 ? "gives the same answers" : `gives ${plural(top1Disagreements, "other answer")}`;
  return `${accuracy}${how} Folded into plain 3×3 convolutions, the net ${same} on ${plural(samples, "picture")}, its logits within ${shortNumber(outputs.maxAbsolute)}.`;
}

const lookedAtOnce = " They were looked at once, at the end.";
const judgedBy = " They judged every epoch, and there is nothing else to test on: the figure is a little too good.";

function keyFigures({ model, sets, measured, chosen, epochs, verification, profile }: TrainingFacts): Section {
  const { parameters } = counts(model.architecture, model.metadata.preprocessing.size);
  const runs = profile?.backends[0]?.forms.map(({ form, run }) => ({ form, milliseconds: run.median }));
  return {
    kind: "figures",
    figures: [
      ...(measured ? accuracyFigures(measured) : []),
      ...(chosen.validation && sets.test
        ? [
            {
              label: "validation top-1",
              value: percent(chosen.validation.top1),
              note: `of epoch ${chosen.epoch} of ${epochs.at(-1)!.epoch}`,
            },
          ]
        : []),
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

function accuracyFigures({ pictures, evaluation }: Measured) {
  const { images, top1, top5, loss, perClass } = evaluation;
  const name = measuredAs[pictures];
  return [
    { label: `${name} top-1`, value: percent(top1), note: `of ${plural(images, "picture")}` },
    ...(saysBalanced(evaluation)
      ? [
          {
            label: `${name} balanced accuracy`,
            value: percent(evaluation.balancedAccuracy),
            note: "mean recall of the classes",
          },
        ]
      : []),
    {
      label: `${name} loss`,
      value: loss.toFixed(4),
      ...(saysTop5(perClass.length) && { note: `top-5 ${percent(top5)}` }),
    },
  ];
}

function curves(epochs: readonly EpochRecord[]): Section[] {
  const x = { label: "epoch", unit: { format: (epoch: number) => (Number.isInteger(epoch) ? String(epoch) : "") } };
  const judged = epochs.flatMap(({ epoch, validation }) => (validation ? [{ epoch, ...validation }] : []));
  const series = <T extends { readonly epoch: number }>(
    name: string,
    along: readonly T[],
    of: (epoch: T) => number,
  ) => ({
    name,
    draw: "both" as const,
    points: along.map((epoch) => ({ x: epoch.epoch, y: of(epoch) })),
  });
  const loss: Section = {
    kind: "chart",
    chart: {
      kind: "lines",
      title: "Loss",
      description: `Training: mean over the epoch's steps, with all that makes training harder (variation of pictures, label smoothing, mixing).${judged.length > 0 ? " Validation: at the epoch's end, without." : ""}`,
      x,
      y: { label: "cross-entropy", zero: true },
      series: [
        series("training", epochs, ({ trainLoss }) => trainLoss),
        ...(judged.length > 0 ? [series("validation", judged, (epoch) => epoch.loss)] : []),
      ],
    },
  };
  if (judged.length === 0) return [loss];
  const [first, last] = [judged[0]!, judged.at(-1)!];
  return [
    {
      kind: "chart",
      chart: {
        kind: "lines",
        title: "Accuracy on the validation pictures",
        description: `Top-1 from ${percent(first.top1)} after the first epoch to ${percent(last.top1)} after the last.`,
        x,
        y: { label: "share recognised", unit: units.share },
        series: [series("top-1", judged, ({ top1 }) => top1)],
      },
    },
    loss,
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

function settingsTable({ config, model, sets }: TrainingFacts): Section {
  const { size, channels, mean, std } = model.metadata.preprocessing;
  const { augmentation, ...settings } = config;
  const rows: [string, string][] = [
    ["training pictures", named(sets.train)],
    ["validation pictures, which judge every epoch", named(sets.validation)],
    ["test pictures, looked at once", named(sets.test)],
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

function named(set: Dataset | undefined): string {
  return set ? `${set.name}, ${wholeCount(set.length)}` : "none";
}

/** "learningRate" → "learning rate" */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function historyTable(epochs: readonly EpochRecord[], withTop5: boolean): Section {
  const judged = epochs.some(({ validation }) => validation !== null);
  const shares = ["validation loss", "top-1", ...(withTop5 ? ["top-5"] : [])];
  return {
    kind: "table",
    caption: "Every epoch",
    folded: true,
    columns: ["epoch", "training loss", ...(judged ? shares : []), "learning rate"].map((label) => ({ label })),
    rows: epochs.map(({ epoch, trainLoss, validation, learningRate }) => [
      epoch,
      trainLoss.toFixed(4),
      ...(judged ? scoreCells(validation, withTop5) : []),
      shortNumber(learningRate),
    ]),
  };
}

function scoreCells(validation: EpochRecord["validation"], withTop5: boolean): string[] {
  if (!validation) return withTop5 ? ["–", "–", "–"] : ["–", "–"];
  const { loss, top1, top5 } = validation;
  return [loss.toFixed(4), percent(top1), ...(withTop5 ? [percent(top5)] : [])];
}
