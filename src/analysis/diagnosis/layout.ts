import type { Graph } from "../../graph/graph.js";
import { constantOf, foldRegion, rewritten } from "./blocks.js";
import { branchesOf } from "./branches.js";
import type { Hypotheses, Hypothesis } from "./hypothesis.js";
import { inCommonFrame, type Kernel, rearranged, withGroups } from "./kernel.js";

/** Branches that are missing or sit at another tap. */
export const branchHypotheses: Hypotheses = ({ block: { region }, kernel }) => {
  const branches = branchesOf(region);
  const missing = branches.map(({ kind, name, removed }): Hypothesis => {
    const cause =
      kind === "1×1" ? "missing-1x1-branch" : kind === "identity" ? "missing-identity-branch" : "missing-branch";
    return {
      cause,
      what: `lacks the ${kind} branch (${name})`,
      remedy: `Add the ${kind} branch to the kernel and its bias to the bias`,
      predict: () => foldRegion(removed),
    };
  });
  const pairs = branches.flatMap((branch, at) =>
    branches.length < 3
      ? []
      : branches.slice(at + 1).map(
          (other): Hypothesis => ({
            cause: "missing-branch",
            what: `lacks the ${branch.kind} branch (${branch.name}) and the ${other.kind} branch (${other.name})`,
            remedy: "Sum the kernels and biases of all branches",
            predict: () => {
              const [a, b] = [foldRegion(branch.removed), foldRegion(other.removed)];
              return a && b && combined([a, 1], [b, 1], [kernel, -1]);
            },
          }),
        ),
  );
  const misplaced = branches
    .filter(({ kind }) => kind === "1×1" || kind === "identity")
    .flatMap(({ kind, name, alone }) => displacements(kernel, kind, name, alone));
  return [missing, pairs, misplaced];
};

/** A 1×1 kernel at each tap but its own. Its bias does not move. */
function displacements(kernel: Kernel, kind: string, name: string, alone: Graph): Hypothesis[] {
  const [height, width] = kernel.kernelSize;
  const centre = kernel.pads[0] * width + kernel.pads[1];
  return Array.from({ length: height * width }, (_, tap) => tap)
    .filter((tap) => tap !== centre)
    .map((tap) => ({
      cause: "misplaced-branch",
      what: `has the ${kind} branch (${name}) at tap (${Math.floor(tap / width)}, ${tap % width}) of the ${height}×${width} kernel instead of (${kernel.pads[0]}, ${kernel.pads[1]})`,
      remedy: `Pad the ${kind} kernel by ${kernel.pads[0]} on every side, so that it lands in the middle`,
      predict() {
        const folded = foldRegion(alone);
        if (!folded) return undefined;
        const [whole, branch] = inCommonFrame(kernel, folded);
        const moved = rearranged(branch, (o, i, y, x) =>
          y * width + x === tap ? [o, i, Math.floor(centre / width), centre % width] : undefined,
        );
        const still = { ...whole, bias: whole.bias };
        const weight = still.weight.map((value, at) => value - branch.weight[at] + moved.weight[at]);
        return { ...still, weight };
      },
    }));
}

/** Kernels that are rearranged: transposed, turned, cut or spread over groups; biases that are lost or negated. */
export const kernelHypotheses: Hypotheses = ({ block: { region }, kernel, observed }) => {
  const transposed = transposes.map(
    ([what, move]): Hypothesis => ({
      cause: "transposed-kernel",
      what,
      remedy:
        "Weights are [out, in / groups, height, width] here and in PyTorch; TensorFlow has [height, width, in, out]",
      predict: () => moved(kernel, move),
    }),
  );
  const before = region.nodes
    .filter(({ op }) => op === "Conv" && region.nodes.length > 1)
    .flatMap((node) =>
      transposes.map(
        ([what, move]): Hypothesis => ({
          cause: "transposed-kernel",
          what: `${what}, of ${node.name}`,
          remedy:
            "Weights are [out, in / groups, height, width] here and in PyTorch; TensorFlow has [height, width, in, out]",
          predict() {
            const name = node.inputs[1];
            const [outChannels, inChannels, ...kernelSize] = region.initializers.get(name)!.shape;
            const own = { ...kernel, outChannels, inChannels, groups: 1, kernelSize };
            const changed = moved({ ...own, weight: constantOf(region, name)! }, move);
            return changed && foldRegion(rewritten(region, { constants: new Map([[name, changed.weight]]) }));
          },
        }),
      ),
    );
  const bias: Hypothesis[] = [
    {
      cause: "missing-bias",
      what: "has no bias",
      remedy: "Write the folded bias beside the kernel: the convolution of a folded block has one",
      predict: () => ({ ...kernel, bias: new Float64Array(kernel.outChannels) }),
    },
    {
      cause: "bias-sign",
      what: "has the negated bias",
      remedy: "The folded bias is β − γ·mean/√(variance + ε), not the negative of it",
      predict: () => ({ ...kernel, bias: kernel.bias.map((b) => -b) }),
    },
  ];
  return [[...bias, ...groupHypotheses(kernel, observed), ...transposed], before];
};

type Move = (kernel: Kernel) => Parameters<typeof rearranged>[1] | undefined;

const square = ({ kernelSize }: Kernel): boolean => kernelSize[0] === kernelSize[1] && kernelSize[0] > 1;
const evenChannels = ({ outChannels, inChannels }: Kernel): boolean => outChannels === inChannels && outChannels > 1;

/** [what, where each weight comes from, undefined where the shape has no such transpose]. */
const transposes: readonly (readonly [what: string, move: Move])[] = [
  ["has the kernel transposed in height and width", (k) => (square(k) ? (o, i, y, x) => [o, i, x, y] : undefined)],
  [
    "has the kernel transposed in input and output channels",
    (k) => {
      if (!evenChannels(k)) return undefined;
      const size = k.outChannels / k.groups;
      return (o, i, y, x) => [Math.floor(o / size) * size + i, o % size, y, x];
    },
  ],
  [
    "has the kernel turned by 180° (convolution instead of cross-correlation)",
    (k) => (square(k) ? (o, i, y, x) => [o, i, k.kernelSize[0] - 1 - y, k.kernelSize[1] - 1 - x] : undefined),
  ],
];

function moved(kernel: Kernel, move: Move): Kernel | undefined {
  const source = move(kernel);
  return source && rearranged(kernel, source);
}

function groupHypotheses(kernel: Kernel, observed: Kernel): Hypothesis[] {
  const { groups, inChannels, outChannels } = kernel;
  const remedy = `Use one number of groups (${groups} here, ${observed.groups} there), or write a dense kernel with zeros between the groups`;
  const cause = "wrong-groups";
  const tile: Hypothesis = {
    cause,
    what: `repeats the weights of ${groups} groups over all input channels`,
    remedy,
    predict: () => {
      const dense = withGroups(kernel, 1);
      const channels = inChannels / groups;
      const group = (o: number): number => Math.floor(o / (outChannels / groups));
      return rearranged(dense, (o, i, y, x) => [o, group(o) * channels + (i % channels), y, x]);
    },
  };
  const cut = (what: string, from: (o: number, i: number, own: number) => number): Hypothesis => ({
    cause,
    what,
    remedy,
    predict: () => {
      const dense = withGroups(kernel, 1);
      const channels = inChannels / observed.groups;
      const group = (o: number): number => Math.floor(o / (outChannels / observed.groups));
      return rearranged(dense, (o, i, y, x) =>
        Math.floor(i / channels) === group(o) ? [o, from(o, i, channels), y, x] : undefined,
      );
    },
  });
  return [
    ...(groups > observed.groups ? [tile] : []),
    ...(observed.groups > groups
      ? [
          cut(`keeps of the dense kernel only what lies inside ${observed.groups} groups`, (_, i) => i),
          cut(
            `gives each of ${observed.groups} groups the dense kernel's first input channels`,
            (_, i, channels) => i % channels,
          ),
        ]
      : []),
  ];
}

/** What the first layer shows of differently prepared inputs. */
export const inputHypotheses: Hypotheses = ({ kernel, observed, first }) => {
  const { inChannels, groups } = kernel;
  if (!first || groups !== 1 || inChannels > 4) return [];
  const flip: Hypothesis = {
    cause: "channel-order",
    what: "reads the input's channels in reverse order (RGB ↔ BGR)",
    remedy: "Feed both models pictures of the channel order that each was trained with, or reverse the first kernel",
    predict: () => rearranged(kernel, (o, i, y, x) => [o, inChannels - 1 - i, y, x]),
  };
  const factors = channelFactors(kernel, observed);
  const scale: Hypothesis = {
    cause: "input-scale",
    what: `takes the input's channels multiplied by ${factors.map((f) => Number((1 / f).toPrecision(4))).join(", ")}`,
    remedy:
      "One of the models has its input normalization (1/255, mean, standard deviation) in its first layer: prepare pictures for each as it expects",
    predict: () => {
      const taps = kernel.kernelSize[0] * kernel.kernelSize[1];
      const weight = kernel.weight.map((value, at) => value * factors[Math.floor(at / taps) % inChannels]);
      return { ...kernel, weight, bias: observed.bias }; // the mean moves into the bias, and borders differ
    },
  };
  return [inChannels > 1 ? [flip] : [], factors.every((f) => Number.isFinite(1 / f)) ? [scale] : []];
};

/** Least-squares factor from the kernel to the observed one, for each input channel. */
function channelFactors(kernel: Kernel, observed: Kernel): number[] {
  const [a, b] = inCommonFrame(kernel, observed);
  const taps = a.kernelSize[0] * a.kernelSize[1];
  const [products, squares] = [new Float64Array(kernel.inChannels), new Float64Array(kernel.inChannels)];
  a.weight.forEach((value, at) => {
    const channel = Math.floor(at / taps) % kernel.inChannels;
    products[channel] += value * b.weight[at];
    squares[channel] += value * value;
  });
  return Array.from(products, (product, i) => product / squares[i]);
}

/** Σ factor · kernel in one frame. */
function combined(...terms: readonly (readonly [Kernel, number])[]): Kernel {
  const [[first]] = terms;
  const whole = terms.reduce((frame, [kernel]) => inCommonFrame(frame, kernel)[0], first);
  const framed = terms.map(([kernel, factor]) => [inCommonFrame(kernel, whole)[0], factor] as const);
  const sum = (of: (kernel: Kernel) => Float64Array): Float64Array =>
    of(whole).map((_, at) => framed.reduce((total, [kernel, factor]) => total + factor * of(kernel)[at], 0));
  return { ...whole, weight: sum((k) => k.weight), bias: sum((k) => k.bias) };
}
