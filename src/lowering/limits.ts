/** What the engine asks of an operator beyond its definition; everything else of it is an error that names the node. */
export interface Limits {
  /** Operands, by their names in ONNX's schema, that must be constant, or follow from the shapes of the net's inputs. */
  readonly constant?: readonly string[];
  /** What else is refused, for people. */
  readonly refused?: string;
}

const wholeNumbers = "whole numbers";
const axes: Limits = { constant: ["axes"] };
const fractional: Limits = { ...axes, refused: wholeNumbers };
const tuples = "computed indices of more than one axis";
const largeSums = "sums that may leave 2^24 (more than 257 products), read by others than a Cast to float32";
const resampling = "whole numbers, where it interpolates";

/** By operator; docs/operators.md is made of it, and tests/engine/limits.test.ts holds it against what is refused. */
export const limits: Readonly<Record<string, Limits>> = {
  BatchNormalization: { refused: "training mode" },
  Conv: { refused: "computed weights of three spatial axes" },
  ConvInteger: { refused: largeSums },
  ConvTranspose: { refused: "computed weights of three spatial axes; strides whose product is above 2^14" },
  CumSum: { constant: ["axis"] },
  Einsum: { refused: "more than two operands; a label twice in one of them; whole numbers" },
  Expand: { constant: ["shape"] },
  GatherND: { refused: `${tuples}, or behind \`batch_dims\`` },
  Gemm: { refused: wholeNumbers },
  GlobalLpPool: { refused: "`p` outside of 1 to 64" },
  GridSample: { refused: resampling },
  LayerNormalization: { refused: "coefficients that differ between rows" },
  LpPool: { refused: "`p` outside of 1 to 64" },
  MatMul: { refused: wholeNumbers },
  MatMulInteger: { refused: largeSums },
  MaxPool: { refused: "Indices of three axes, or beyond 2^24 elements" },
  NonMaxSuppression: {
    constant: ["max_output_boxes_per_class", "iou_threshold", "score_threshold"],
    refused: "more than 2^19 boxes; other nodes that read the result, which is an output",
  },
  Pad: { constant: ["pads", "constant_value", "axes"] },
  RMSNormalization: { refused: "coefficients that differ between rows" },
  ReduceL1: axes,
  ReduceL2: fractional,
  ReduceLogSum: fractional,
  ReduceLogSumExp: fractional,
  ReduceMax: axes,
  ReduceMean: fractional,
  ReduceMin: axes,
  ReduceProd: axes,
  ReduceSum: axes,
  ReduceSumSquare: axes,
  Reshape: { constant: ["shape"] },
  Resize: {
    constant: ["roi", "scales", "sizes"],
    refused: `${resampling}; \`linear\` and \`cubic\` with \`align_corners\` or \`tf_crop_and_resize\` by scales that give no whole number of elements (give sizes)`,
  },
  Scatter: { refused: "computed indices, where the data has more than one axis" },
  ScatterElements: {
    refused: "computed indices, where the data has more than one axis; sums and products of whole numbers",
  },
  ScatterND: { refused: `${tuples}; sums and products of whole numbers` },
  Slice: { constant: ["starts", "ends", "axes", "steps"] },
  Split: { constant: ["split"] },
  Squeeze: axes,
  Tile: { constant: ["repeats"] },
  TopK: { constant: ["K"], refused: "more than 2^19 elements kept of an axis, or more than 2^24 on it" },
  Unsqueeze: axes,
  Upsample: { constant: ["scales"], refused: resampling },
};
