/** What is held against each file of tests/fixtures/third-party. */
export type Check = "evaluator" | "fold" | "count" | "native" | "wasm";

interface Gap {
  readonly check: Check | readonly Check[];
  readonly reason: string;
  /** Names in index.json for all exports of a fixture, or "blocks/NAME-bn" for one. */
  readonly of: readonly string[];
}

/** What is known to fall short today, and why. A gap that closes fails its test until it is taken out here: the table only shrinks. */
export const knownGaps: readonly Gap[] = [
  {
    check: "count",
    reason: "BatchNorm behind Concat does not go into the convolutions that are joined",
    of: ["joined-norm", "joined-norm-sources"],
  },
  {
    check: "count",
    reason:
      "a border assigned by ScatterND is not seen as a pad, and its indices come from static shapes that are not folded",
    of: [
      "dbb",
      "dbb-any-batch",
      "dbb-depthwise",
      "dbb-groups",
      "dbb-k5-stride2",
      "dbb-no-affine",
      "dbb-two",
      "dbb-wider-middle",
      "ecb",
      "ecb-identity",
      "ecbsr",
    ],
  },
  {
    check: "count",
    reason: "convolutions beside a fully connected layer over pixels are not made part of its matrix",
    of: ["repmlp", "repmlp-one-window", "repmlp-unit"],
  },
  {
    check: "count",
    reason: "the kernel is computed by ScatterND, which constant folding lacks",
    of: ["ecb-computed", "ecb-computed-identity", "ecbsr-computed"],
  },
  {
    check: "evaluator",
    reason: "the evaluator has no ConvTranspose",
    of: [
      "joined-norm-sources",
      "transposed-norm",
      "transposed-norm-dilated",
      "transposed-norm-groups",
      "yolov6-neck",
      "yolov6-neck-any-size",
      "yolov6-neck-joined",
      "yolov6-neck-qa",
      "yolov6-neck-qa-average",
    ],
  },
  {
    check: "evaluator",
    reason: "the evaluator has no ScatterND",
    of: [
      "dbb",
      "dbb-any-batch",
      "dbb-depthwise",
      "dbb-groups",
      "dbb-k5-stride2",
      "dbb-no-affine",
      "dbb-two",
      "dbb-wider-middle",
      "ecb",
      "ecb-computed",
      "ecb-computed-identity",
      "ecb-identity",
      "ecbsr",
      "ecbsr-computed",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no ConvTranspose",
    of: [
      "joined-norm-sources",
      "transposed-norm",
      "transposed-norm-dilated",
      "transposed-norm-groups",
      "yolov6-neck",
      "yolov6-neck-any-size",
      "yolov6-neck-joined",
      "yolov6-neck-qa",
      "yolov6-neck-qa-average",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Erf",
    of: ["fastvit-block", "fastvit-patches", "replknet", "repvit", "repvit-down"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Expand",
    of: ["dbb-any-batch"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Range",
    of: [
      "dbb",
      "dbb-depthwise",
      "dbb-groups",
      "dbb-k5-stride2",
      "dbb-no-affine",
      "dbb-two",
      "dbb-wider-middle",
      "ecb",
      "ecb-identity",
      "ecbsr",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no ScatterND",
    of: ["ecb-computed", "ecb-computed-identity", "ecbsr-computed"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Slice",
    of: [
      "acb-k5-pad1-stride2",
      "acb-k7-pad1",
      "acb-two",
      "acb-unpadded",
      "acb-unpadded-any-size",
      "yolov9-down",
      "yolov9-gelan",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Split",
    of: ["yolov9-auxiliary"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no Transpose",
    of: [
      "fastvit-attention",
      "repmlp",
      "repmlp-one-window",
      "repmlp-unit",
      "unireplknet",
      "unireplknet-k13",
      "unireplknet-small",
      "unireplknet-stem",
      "unireplknet-stem-layernorm",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine has no constant operand of Concat",
    of: ["dbb-joined-border"],
  },
  {
    check: ["native", "wasm"],
    reason: "the engine runs convolutions of two dimensions only",
    of: ["repvgg-1d", "repvgg-3d"],
  },
];
