import type { Refusal as AnyRefusal, Obstacle } from "../conv-algebra/linear-map.js";

/** Refusals by what stands in the way; those of maps are the algebra's. */
export type RefusalKind =
  | Obstacle
  | "training-mode"
  | "computed"
  | "quantized"
  | "unknown-size"
  | "varies-over-positions"
  | "not-linear"
  | "no-weights"
  | "uncounted-padding"
  | "incomplete-windows"
  | "pad-mode"
  | "batch-or-channels"
  | "border"
  | "channel-steps"
  | "backwards"
  | "transposed-input"
  | "constant-on-the-left"
  | "no-common-source"
  | "read-elsewhere"
  | "cost"
  | "free-now"
  | "alone"
  | "as-many-nodes"
  | "overflow";

/** What a kind of refusal means, and what whoever made the net can do about it. */
interface RefusalKindEntry {
  readonly meaning: string;
  readonly remedy: string;
  /** It is the choice of the region that refuses, not the rule of the node. */
  readonly ofRegion?: true;
}

/** Every kind of refusal, in the order of the documentation. */
export const refusalKinds: Readonly<Record<RefusalKind, RefusalKindEntry>> = {
  // Of maps (src/conv-algebra)
  channels: {
    meaning: "one side has fewer channels, and is broadcast over the other's",
    remedy: "leave it, or give all sides the same channels",
  },
  axes: {
    meaning: "one window lies over another number of spatial axes than the other",
    remedy: "leave it: windows over different axes have no common kernel",
  },
  strides: {
    meaning: "branches sample at unequal strides",
    remedy: "give all branches one stride; no one convolution samples at two",
  },
  sizes: {
    meaning: "branches give outputs of unequal sizes",
    remedy:
      "pad each branch by (k − 1)·dilation in all; where they agree for one input size only, export with that size",
  },
  "bias-before-padding": {
    meaning: "the border would get a bias where the net has zeros",
    remedy:
      "in a new net, pad between the two with the bias as the pad value (as DBB does), or leave the bias out; a trained one stays",
  },
  "input-beyond-the-edge": {
    meaning: "zero padding lies between two kernels of which the first reaches over the edge of its input",
    remedy: "in a new net, pad once, before the first of the two kernels; a trained one stays",
  },
  "pad-value": {
    meaning: "a Pad puts another value around than the map gives to zeros",
    remedy: "in a new net, pad with what the branch gives to zeros (its bias), as DBB does; a trained one stays",
  },
  "strided-and-transposed": {
    meaning: "steps and zeros in between do not become one convolution",
    remedy: "leave it: no one operator does both",
  },
  "bias-before-transposed": {
    meaning: "a transposed convolution spreads a bias unequally over its outputs",
    remedy: "leave the bias (or shift) before the transposed convolution out; behind it, it folds",
  },
  pixels: {
    meaning: "a convolution of the image is not made a matrix of all its numbers",
    remedy: "leave it: the matrix would be too large, or is none (a transposed convolution, a part of the channels)",
  },
  // Of operators (src/fold/linear)
  "training-mode": {
    meaning: "it computes as in training",
    remedy: "export the model in evaluation mode (PyTorch: model.eval())",
  },
  computed: {
    meaning: "what has to be a constant is computed from the input",
    remedy: "make it a constant of the file (an initializer) where it does not depend on the input",
  },
  quantized: {
    meaning: "its weights are stored as integers, and what is folded into them would have to be rounded anew",
    remedy: "fold the float net and quantize what that gives",
  },
  "unknown-size": {
    meaning: "what it does depends on an input size that is open",
    remedy: "export with a fixed input size, or with explicit pads, begins and ends",
  },
  "varies-over-positions": {
    meaning: "its constant has a number for each position",
    remedy: "use one number a channel; what varies over positions (an embedding) stays",
  },
  "not-linear": {
    meaning: "it is not linear in its input",
    remedy: "leave it, or compute it outside the branches",
  },
  "no-weights": {
    meaning: "its weight is empty",
    remedy: "export the net again: the file has no weights there",
  },
  "uncounted-padding": {
    meaning: "an average is taken over fewer numbers at the border",
    remedy: "pool without padding or with count_include_pad=True",
  },
  "incomplete-windows": {
    meaning: "the last windows may reach over the end",
    remedy: "pool with ceil_mode=False, or export with an input size that the windows fill",
  },
  "pad-mode": {
    meaning: "the border repeats or mirrors the input",
    remedy: "pad with zeros (PyTorch: padding_mode='zeros'); other padding stays",
  },
  "batch-or-channels": {
    meaning: "it changes the batch or adds channels",
    remedy: "leave it: a convolution does the same for every image and keeps none out",
  },
  border: {
    meaning: "the constants that it writes are no padding",
    remedy: "write one value a channel over the whole border, and nothing inside",
  },
  "channel-steps": {
    meaning: "it takes channels that are no neighbours",
    remedy: "take neighbouring channels; interleaved ones (a channel shuffle) stay",
  },
  backwards: {
    meaning: "it turns the order of positions round",
    remedy: "leave it: no stride goes backwards",
  },
  "transposed-input": {
    meaning: "Gemm transposes the value that it reads",
    remedy: "write it with transA = 0",
  },
  "constant-on-the-left": {
    meaning: "a constant matrix mixes rows (the batch, or tokens), not features",
    remedy: "leave it, or write x·Wᵀ where features are meant",
  },
  "no-common-source": {
    meaning: "its inputs are not linear in one common value",
    remedy: "nothing where it is the shortcut of a residual block; else take what is not linear out of the branches",
  },
  // Of regions (src/fold/select.ts)
  "read-elsewhere": {
    meaning: "something outside needs a value in between",
    remedy:
      "nothing where that reader is part of the net (as in squeeze-and-excitation); drop an output that only served debugging",
    ofRegion: true,
  },
  cost: {
    meaning: "one convolution would cost more than the nodes do",
    remedy: "allow it with --max-cost (in code: maxCost) above the ratio, where fewer nodes are worth it",
    ofRegion: true,
  },
  "free-now": {
    meaning: "the nodes need no multiplication, a convolution would",
    remedy: "leave it: there is nothing to save",
    ofRegion: true,
  },
  alone: {
    meaning: "no convolution is there to take it in",
    remedy: "leave it, or allow a convolution made of it alone with --max-cost (in code: maxCost) above 1",
    ofRegion: true,
  },
  "as-many-nodes": {
    meaning: "it would become as many nodes as it is",
    remedy: "leave it: there is nothing to save",
    ofRegion: true,
  },
  overflow: {
    meaning: "float16 cannot hold the folded kernel",
    remedy: "export the net in float32",
    ofRegion: true,
  },
};

/** Why a node is not linear, or does not go into a region. */
export type Refusal = AnyRefusal<RefusalKind>;

/** A refusal with its kind; `refused` says in plain words what stands in the way here. */
export function refuse(kind: RefusalKind, refused: string): Refusal {
  return { kind, refused };
}
