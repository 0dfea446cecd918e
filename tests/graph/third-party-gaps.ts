/** What is held against each file of tests/fixtures/third-party. */
export type Check = "evaluator" | "fold" | "count" | "proof" | "native" | "wasm";

interface Gap {
  readonly check: Check | readonly Check[];
  readonly reason: string;
  /** Names in index.json for all exports of a fixture, or "blocks/NAME-bn" for one. */
  readonly of: readonly string[];
}

/** What is known to fall short today, and why. A gap that closes fails its test until it is taken out here: the table only shrinks. */
export const knownGaps: readonly Gap[] = [
  {
    check: ["native", "wasm"],
    reason: "operator sets beyond 22 are refused",
    of: ["today-net-opset23"],
  },
  {
    check: "count",
    reason:
      "a border assigned by ScatterND is not seen as a pad, and its indices come from static shapes that are not folded",
    of: ["dbb-any-batch"],
  },
  {
    check: "count",
    reason: "a crop of rows and columns is a pad of less than nothing, which the fold refuses",
    of: ["crop-narrow-any-size"],
  },
  {
    check: "count",
    reason: "BatchNorm behind a linear layer over tokens does not go into it",
    of: ["linear-norm"],
  },
  {
    check: "count",
    reason: "BatchNorm behind Concat does not go into the convolutions that are joined",
    of: ["joined-norm-sources"],
  },
  {
    check: "count",
    reason: "convolutions beside a fully connected layer over pixels are not made part of its matrix",
    of: ["repmlp", "repmlp-one-window", "repmlp-unit"],
  },
  {
    check: "count",
    reason: "Einsum is not seen as a sum",
    of: ["sum-einsum"],
  },
  {
    check: ["count", "evaluator", "native", "wasm"],
    reason: "functions of a model are not inlined",
    of: ["functions-net", "functions-net-pytorch"],
  },
  {
    check: "evaluator",
    reason: "the evaluator has no Einsum",
    of: ["sum-einsum"],
  },
  {
    check: "evaluator",
    reason: "the evaluator has no GRU",
    of: ["behind-recurrent"],
  },
  {
    check: ["native", "wasm"],
    reason: "Resize of operator set 10 has its scales as second input",
    of: ["ppocr-detection-net"],
  },
  {
    check: ["native", "wasm"],
    reason: "Resize that interpolates linearly is not there",
    of: ["behind-bilinear", "segmenter-net", "segmenter-net-any-size", "unet-net-any-size", "unet-net-bilinear"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no ConstantOfShape",
    of: ["behind-recurrent"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no ConvTranspose",
    of: [
      "joined-norm-sources",
      "ppocr-detection-net-swish",
      "transposed-norm",
      "transposed-norm-dilated",
      "transposed-norm-groups",
      "unet-net",
      "yolov6-neck",
      "yolov6-neck-any-size",
      "yolov6-neck-joined",
      "yolov6-neck-qa",
      "yolov6-neck-qa-average",
      "yolov6-net",
      "yolov6-net-any-batch",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no CumSum",
    of: ["behind-cumsum"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Einsum",
    of: ["sum-einsum"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Erf",
    of: ["fastvit-net"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Expand",
    of: ["dbb-any-batch"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Gelu",
    of: ["today-net-opset20", "today-net-opset21"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Slice",
    of: ["shvit-net", "yolov10-head-net"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Split",
    of: ["detector-net-suppression"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no TopK",
    of: ["behind-sort"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Transpose",
    of: [
      "deformable-net",
      "fastvit-attention",
      "linear-norm",
      "ppocr-recognition-net",
      "rtdetr-encoder-net",
      "rtdetr-encoder-net-any-batch",
      "speaker-net",
      "unireplknet",
      "unireplknet-k13",
      "unireplknet-net",
      "unireplknet-small",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has ReduceMean over height and width only",
    of: ["convnext-net", "convnext-net-layernorm"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine runs convolutions of two dimensions only",
    of: ["repvgg-1d", "repvgg-3d"],
  },
];
