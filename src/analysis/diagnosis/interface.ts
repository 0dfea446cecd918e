import { inferShapes } from "../../graph/analyze/analyze.js";
import type { Dimension, Graph, ValueInfo } from "../../graph/graph.js";
import { graphInputs } from "../../graph/graph-inputs.js";
import { blockView, pairBlocks } from "./blocks.js";
import type { Cause, Finding } from "./finding.js";
import { shapeFinding } from "./structure.js";

/** Why two graphs cannot be run on the same input, as far as they state what they take; empty where they can. */
export function inputFindings(reference: Graph, candidate: Graph): Finding[] {
  const [ours, theirs] = [graphInputs(reference), graphInputs(candidate)];
  if (ours.length !== theirs.length) {
    return [
      atInput(
        "inputs",
        `the reference reads ${listed(ours)}, the candidate ${listed(theirs)}`,
        "Export both with the same inputs: what only one of them computes (preprocessing, masks) belongs outside",
      ),
    ];
  }
  const found = ours.flatMap((input, i) => inputFinding(input, theirs[i]!) ?? []);
  return found.some(({ cause }) => cause === "input-channels")
    ? [...found, ...beyondFirstLayer(reference, candidate)]
    : found;
}

function inputFinding(ours: ValueInfo, theirs: ValueInfo): Finding | undefined {
  const [a, b] = [ours.shape, theirs.shape];
  if (!a || !b) return undefined;
  const both = `the reference reads ${described(ours)}, the candidate ${described(theirs)}`;
  if (a.length !== b.length) {
    return atInput("inputs", `${both}: not as many axes`, "Export both for the same [batch, channels, height, width]");
  }
  if (a.length === 4 && clash(a[1]!, b[1]!) && (sameSize(a[1]!, b[3]!) || sameSize(a[3]!, b[1]!))) {
    const last = isPicture(b[3]!) ? "candidate" : "reference";
    return atInput(
      "input-layout",
      `${both}: the ${last} has its channels last (NHWC), as TensorFlow writes pictures`,
      "Export it with its channels first (tf2onnx --inputs-as-nchw)",
    );
  }
  if (a.length > 1 && clash(a[1]!, b[1]!)) {
    return atInput(
      "input-channels",
      `the reference reads ${channels(a[1]!)}, the candidate ${channels(b[1]!)} (${described(ours)} and ${described(theirs)}): they were made for different pictures`,
      "Compare nets of the same kind of pictures",
    );
  }
  if (a.some((size, axis) => axis > 1 && clash(size, b[axis]!))) {
    return atInput(
      "input-size",
      `the reference takes ${sizes(a)} only, the candidate ${sizes(b)}: they were exported for pictures of different sizes`,
      "Export one of them for the other's size, or with open height and width (dynamic_axes of torch.onnx.export)",
    );
  }
  return undefined;
}

/** Where the nets differ behind the first layer too. */
function beyondFirstLayer(reference: Graph, candidate: Graph): Finding[] {
  const [a, b] = [blockView(reference), blockView(candidate)];
  const { shapeBreak } = pairBlocks({ ...a, blocks: a.blocks.slice(1) }, { ...b, blocks: b.blocks.slice(1) });
  return shapeBreak ? [shapeFinding(shapeBreak, a, b)] : [];
}

/**
 * Why the outputs of two graphs cannot be subtracted: other classes, other maps; empty where they can.
 * @param reference its inputs have the sizes that both are run on; so have the candidate's
 */
export function outputFindings(reference: Graph, candidate: Graph): Finding[] {
  const [ours, theirs] = [outputsOf(reference), outputsOf(candidate)];
  if (ours.length !== theirs.length) {
    return [
      atOutput(
        `the reference gives ${listed(ours)}, the candidate ${listed(theirs)}: one of them returns inner values or auxiliary heads too`,
        "Export both with the same outputs (repvgg export --features, --no-head)",
      ),
    ];
  }
  return ours.flatMap((output, i) => outputFinding(output, theirs[i]!, reference, candidate)).slice(0, 2);
}

function outputFinding(ours: ValueInfo, theirs: ValueInfo, reference: Graph, candidate: Graph): Finding[] {
  const [a, b] = [ours.shape, theirs.shape];
  if (!a || !b) return [];
  const both = `the reference gives ${described(ours)}, the candidate ${described(theirs)}`;
  if (a.length !== b.length) {
    const bare = a.length > b.length ? "reference" : "candidate";
    const backbone = Math.max(a.length, b.length) === 4 && Math.min(a.length, b.length) === 2;
    return [
      atOutput(
        backbone ? `${both}: the ${bare} is a backbone without its head` : `${both}: not as many axes`,
        "Export both with their heads, or both without (repvgg export --no-head)",
      ),
    ];
  }
  if (!a.some((size, axis) => axis > 0 && clash(size, b[axis]!))) return [];
  const [x, y] = [blockView(reference), blockView(candidate)];
  const { shapeBreak } = pairBlocks(x, y);
  const structure = shapeBreak ? [shapeFinding(shapeBreak, x, y)] : [];
  if (structure[0]?.cause === "class-count") return structure;
  const classes = a.length === 2;
  return [
    {
      ...atOutput(
        classes ? `the reference gives ${a[1]} classes, the candidate ${b[1]}: a head of other classes` : both,
        classes ? "Compare nets of the same classes" : "Compare nets of the same architecture",
      ),
      cause: classes ? "class-count" : "outputs",
    },
    ...structure,
  ];
}

function outputsOf(graph: Graph): ValueInfo[] {
  const shapes = inferShapes(graph);
  return graph.outputs.map((output) => ({ ...output, shape: shapes.get(output.name)?.shape ?? output.shape }));
}

const atInput = (cause: Cause, evidence: string, remedy: string): Finding => {
  return { cause, where: "the input", blocks: [], evidence, remedy };
};

const atOutput = (evidence: string, remedy: string): Finding => {
  return { cause: "outputs", where: "the outputs", blocks: [], evidence, remedy };
};

const clash = (a: Dimension, b: Dimension): boolean => typeof a === "number" && typeof b === "number" && a !== b;
const sameSize = (a: Dimension, b: Dimension): boolean => typeof a === "number" && a === b;
const isPicture = (size: Dimension): boolean => size === 1 || size === 3;

const described = ({ name, shape }: ValueInfo): string => `${name} [${shape?.join(", ") ?? "?"}]`;
const listed = (values: readonly ValueInfo[]): string =>
  `${values.length} ${values.length === 1 ? "value" : "values"}, ${values.map(described).join(" and ")}`;
const sizes = (shape: readonly Dimension[]): string => shape.slice(2).join("×");

function channels(count: Dimension): string {
  const pictures = count === 3 ? " (colour pictures)" : count === 1 ? " (grey pictures)" : "";
  return `${count} ${count === 1 ? "channel" : "channels"}${pictures}`;
}
