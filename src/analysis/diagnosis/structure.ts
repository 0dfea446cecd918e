import type { Preprocessing } from "../../core/preprocessing.js";
import type { Graph } from "../../graph/graph.js";
import { type BlockView, type ShapeBreak, trainingModeNodes } from "./blocks.js";
import { blockName, type Finding } from "./finding.js";
import type { KernelGeometry } from "./kernel.js";
import { describeField, differentFields } from "./preprocessing.js";

const wholeNet = "the whole net";

/** BatchNorm in training mode, as the graphs say it. */
export function trainingModeFindings(reference: Graph, candidate: Graph): Finding[] {
  return [["candidate", candidate] as const, ["reference", reference] as const].flatMap(([side, graph]): Finding[] => {
    const nodes = trainingModeNodes(graph);
    if (nodes.length === 0) return [];
    const all = graph.nodes.filter(({ op }) => op === "BatchNormalization").length;
    return [
      {
        cause: "batch-norm-training-mode",
        where: nodes[0].name,
        blocks: nodes.map(({ name }) => name),
        evidence: `${nodes.length} of ${all} BatchNormalization nodes of the ${side} are in training mode: their outputs depend on the batch`,
        remedy: "Call model.eval() before the export (torch.onnx.export: training=TrainingMode.EVAL)",
      },
    ];
  });
}

/** Where the chains of blocks stop having the same shapes. */
export function shapeFinding({ reference, candidate }: ShapeBreak, a: BlockView, b: BlockView): Finding {
  const where = blockName((reference ?? candidate!).name);
  const last = a.blocks.at(-1) === reference && b.blocks.at(-1) === candidate;
  const [x, y] = [reference?.geometry, candidate?.geometry];
  if (last && x && y && x.inChannels === y.inChannels && x.outChannels !== y.outChannels) {
    return {
      cause: "class-count",
      where,
      blocks: [where],
      evidence: `the classifier gives ${x.outChannels} classes in the reference and ${y.outChannels} in the candidate; all ${a.blocks.length - 1} layers before it have the same shapes: ${likelyHead(x.outChannels, y.outChannels)}`,
      remedy: "Compare models of the same classes, or both without their heads (repvgg export --no-head)",
    };
  }
  return {
    cause: "architecture",
    where,
    blocks: [where],
    evidence: `layer ${1 + a.blocks.indexOf(reference!) || b.blocks.indexOf(candidate!) + 1} is ${shape(x)} in the reference and ${shape(y)} in the candidate (${a.blocks.length} and ${b.blocks.length} layers in all)`,
    remedy: "Build the candidate with the reference's depths, widths, strides and kernel sizes",
  };
}

function likelyHead(a: number, b: number): string {
  return a >= 80 && Math.abs(a - b) === 1
    ? "one head has a class more, as TensorFlow's nets have one for the background"
    : "a head of other classes";
}

function shape(geometry: KernelGeometry | undefined): string {
  if (!geometry) return "absent";
  const { kernelSize, inChannels, outChannels, strides, pads, groups } = geometry;
  return `${kernelSize.join("×")}, ${inChannels} → ${outChannels}, stride ${strides.join("×")}, pads ${pads.join(" ")}, groups ${groups}`;
}

const activations = new Set(
  "Celu,Clip,Elu,Gelu,HardSigmoid,HardSwish,LeakyRelu,LogSoftmax,Mish,PRelu,Relu,Selu,Sigmoid,Softmax,Softplus,Softsign,Tanh,ThresholdedRelu".split(
    ",",
  ),
);

/** Activations that only one of the graphs has: a lost ReLU, a Softmax behind the logits. */
export function activationFinding(a: BlockView, b: BlockView, paired: number): Finding | undefined {
  const at = (view: BlockView, block: number): string =>
    view.following[block].filter((op) => activations.has(op)).join(", ") || "none";
  for (let block = 0; block < paired; block++) {
    const [x, y] = [at(a, block), at(b, block)];
    if (x === y) continue;
    const where = blockName(a.blocks[block].name);
    return {
      cause: "activation",
      where,
      blocks: [where],
      evidence: `the activations after it are ${x} in the reference and ${y} in the candidate`,
      remedy: "Give both graphs the same activations (a Softmax belongs to neither, or to both)",
    };
  }
  return undefined;
}

/** What is different in how the two models want their pictures. */
export function preprocessingFinding(
  reference: Preprocessing | undefined,
  candidate: Preprocessing | undefined,
): Finding | undefined {
  if (!reference || !candidate) return undefined;
  const different = differentFields(reference, candidate);
  if (different.length === 0) return undefined;
  return {
    cause: "preprocessing",
    where: "the input",
    blocks: [],
    evidence: `the models prepare pictures differently: ${different.map((field) => `${field} ${describeField(field, reference)} in the reference, ${describeField(field, candidate)} in the candidate`).join("; ")}`,
    remedy: "Give both the preprocessing of the training; on the same prepared input this makes no difference",
  };
}

/** A finding about statistics that were never updated, whichever file they are in. */
export function statisticsFinding(side: string, lines: readonly string[]): Finding | undefined {
  if (lines.length === 0) return undefined;
  return {
    cause: "stale-statistics",
    where: wholeNet,
    blocks: [],
    evidence: `in the ${side}: ${lines.join("; ")}`,
    remedy: "Recalibrate the BatchNorm statistics on training pictures before folding",
  };
}
