/**
 * Where each room's code lies, and the tests that are to notice a fault in it: stage by stage, the next one only where the one before
 * noticed nothing. Folders or beginnings of files; "--…" is a flag of vitest. `shared`: a stage's files keep nothing to themselves (no backend that
 * one of them disposes), so that one load of the code is enough for all. `near`: of files by name, the tests to ask before all others.
 */
export const rooms = {
  core: { source: ["src/core"], tests: [["tests/core"]] },
  "conv-algebra": {
    shared: true,
    source: ["src/conv-algebra"],
    tests: [["tests/conv-algebra"], ["tests/graph/fold-"]],
  },
  graph: { source: ["src/graph"], tests: [["tests/graph"]] },
  "graph/operators": {
    shared: true,
    source: ["src/operators", "src/graph/window.ts"],
    tests: [
      ["operator-checks", "operator-shapes", "operator-types", "operator-values", "operators"],
      ["analyze", "resampling", "passes", "cases"],
    ].map((names) => names.map((name) => `tests/graph/${name}.test.ts`)),
  },
  "graph/passes": {
    shared: true,
    source: [
      "src/graph/analyze",
      ...["check-file", "constant-folding", "eliminate", "from-onnx", "inline-functions", "precision", "to-onnx"].map(
        (name) => `src/graph/${name}.ts`,
      ),
      "src/graph/validate.ts",
    ],
    tests: [
      ["analyze", "check-file", "passes", "inline-functions", "operator-shapes"],
      ["onnx", "fold-types", "fold-refusals", "cases"],
    ].map((names) => names.map((name) => `tests/graph/${name}.test.ts`)),
  },
  "graph/fold": {
    shared: true,
    source: ["src/fold", "src/graph/fold.ts"],
    tests: [
      ["fold-borders", "fold-border-values", "fold-concat", "fold-facts", "fold-families", "fold-forms", "fold-moves"],
      ["fold-reasons", "fold-refusals", "fold-rules", "fold-trace", "fold-types", "passes"],
      ["fold-chains", "fold-channels", "fold-last-axis", "fold-spatial", "fold-transposed"],
      ["fold-property"],
    ].map((names) => names.map((name) => `tests/graph/${name}.test.ts`)),
  },
  "formats/onnx": {
    shared: true,
    source: ["src/formats/onnx"],
    tests: [["tests/formats/onnx"], ["tests/formats/fuzz.test.ts", "tests/formats/deep-nesting.test.ts"]],
  },
  "formats/safetensors": {
    source: ["src/formats/safetensors", "src/formats/array-bytes.ts"],
    tests: [
      ["tests/formats/safetensors.test.ts", "tests/formats/files.test.ts"],
      ["tests/formats/fuzz.test.ts", "tests/formats/deep-nesting.test.ts"],
    ],
  },
  "formats/torch": {
    source: ["src/formats/torch"],
    tests: [
      ["tests/formats/torch"],
      ["tests/formats/fuzz.test.ts", "tests/formats/deep-nesting.test.ts", "tests/formats/names.test.ts"],
    ],
  },
  "formats/files": {
    source: [
      "src/formats/atomic-write.node.ts",
      "src/formats/file-",
      "src/formats/byte-",
      "src/formats/memory-budget.ts",
    ],
    tests: [
      ["tests/formats/files.test.ts", "tests/formats/atomic-write.test.ts"],
      ["tests/formats/safetensors.test.ts", "tests/formats/torch.test.ts", "tests/formats/onnx-wire.test.ts"],
    ],
  },
  "engine/plan": {
    source: ["src/engine", "src/lowering"],
    tests: [
      [
        "arena",
        "computed-refusals",
        "defaults",
        "lifetimes",
        "lowering",
        "fusion",
        "layouts",
        "pads",
        "places",
        "plan-cache",
      ],
      ["operators", "convolutions", "matrices", "pools", "select", "session", "extents"],
      ["resampling", "other-operators", "hostile-nets"],
      ["random-graphs", "random-operators"],
    ].map((names) => names.map((name) => `tests/engine/${name}.test.ts`)),
    near: [
      [["pad"], ["pads"]],
      [["scatter"], ["places"]],
      [
        ["convolution", "computed-convolution", "volume-convolution", "conv-geometry"],
        ["defaults", "convolutions", "lowering"],
      ],
      [
        ["matmul", "products"],
        ["layouts", "defaults", "matrices", "lowering"],
      ],
      [["pool"], ["defaults", "pools", "operators"]],
      [
        ["resize", "resample", "grid-sample"],
        ["defaults", "resampling"],
      ],
      [["select", "non-max-suppression"], ["select"]],
      [
        ["fusion", "affine", "sum", "prepare"],
        ["fusion", "lowering", "operators"],
      ],
      [
        ["arena", "lifetimes"],
        ["arena", "lifetimes"],
      ],
      [
        ["session", "plan-cache", "plan", "constants", "constant-store", "report", "plan-report", "supports"],
        ["session", "plan-cache", "arena"],
      ],
      [["extents"], ["extents", "layouts"]],
      [["whole-numbers"], ["computed-refusals", "layouts"]],
      [
        ["context", "registry", "shape", "lacking", "elementwise", "softmax", "concat", "step", "unary"],
        ["lowering", "operators", "computed-refusals", "layouts", "defaults"],
      ],
      [
        ["binary", "where", "reduce", "repeat", "rows", "slice", "transpose", "depth", "gather", "normalize"],
        ["computed-refusals", "layouts", "defaults", "other-operators"],
      ],
      [
        ["axes", "operands", "strided"],
        ["layouts", "defaults", "operators", "other-operators"],
      ],
    ].map(([files, names]) => [files, names.map((name) => `tests/engine/${name}.test.ts`)]),
  },
  "backend/conv": {
    source: ["src/backend/conv"],
    tests: [
      ["tests/backend/conv-", "tests/backend/tuning"],
      ["tests/backend/conv.test.ts"],
      ["tests/engine/convolutions.test.ts", "tests/engine/matrices.test.ts", "tests/engine/session.test.ts"],
    ],
  },
  tensor: { source: ["src/tensor"], tests: [["tests/tensor"], ["tests/nn"]] },
  nn: {
    source: ["src/nn"],
    tests: [
      [
        "architecture",
        "model-file",
        "network.",
        "recalibrate",
        "running-stats",
        "state-schema",
        "to-graph",
        "training-oracle",
        "zoo",
      ].map((name) => `tests/nn/${name}`),
      ["tests/nn/b", "tests/nn/graph-oracles", "tests/nn/network-oracles", "tests/nn/repvgg", "tests/api/explain"],
      ["tests/exchange/checkpoints", "tests/exchange/checkpoint-weights", "tests/exchange/features"],
    ],
  },
  data: {
    source: ["src/data"],
    tests: [
      [
        "augmentation",
        "random-crops",
        "mixing",
        "pil",
        "resize",
        "hold-out",
        "in-memory",
        "sets",
        "decode",
        "binary-formats",
        "folder",
      ],
      ["fashion-mnist", "near-duplicates", "loader", "describe"],
    ].map((names) => names.map((name) => `tests/data/${name}.test.ts`)),
  },
  train: {
    source: ["src/train"],
    tests: [["config", "metrics", "optimizer", "run-directory", "schedule", "tensorboard", "trainer"], ["loop"]].map(
      (names) => names.map((name) => `tests/train/${name}.test.ts`),
    ),
  },
  "analysis/proof": {
    source: ["src/verify/proof", "src/verify/comparison", "src/verify/difference.ts"],
    tests: [
      [
        "tests/analysis/proof.test.ts",
        "tests/analysis/convolve.test.ts",
        "tests/analysis/comparison.test.ts",
        "tests/analysis/moved-scales.test.ts",
      ],
    ],
  },
  "analysis/diagnosis": {
    source: ["src/analysis/diagnosis", "src/verify/diagnose.ts"],
    tests: [
      ["interface", "kernel", "preprocessing", "statistics"].map((name) => `tests/analysis/diagnosis/${name}`),
      ["batch-norm", "branches", "diagnose", "precision"].map((name) => `tests/analysis/diagnosis/${name}`),
      ["tests/analysis/verify.test.ts"],
    ],
  },
  "analysis/verify": {
    source: [
      ...["ablation", "block-", "counts", "latency", "memory", "profile"].map((name) => `src/analysis/${name}`),
      ...[
        "compare",
        "difference",
        "evaluation-",
        "fold-verified",
        "from-",
        "incomparable",
        "random-",
        "reference-",
        "verify-",
      ].map((name) => `src/verify/${name}`),
    ],
    tests: [
      ["tests/analysis/b", "tests/analysis/co", "tests/analysis/l", "tests/ablation/s", "tests/profile/layers"],
      ["tests/analysis/verify", "tests/analysis/diagnosis/diagnose", "tests/profile/profile"],
    ],
  },
  "depth-study": {
    source: ["src/ablation/depth", "src/report/markdown.ts", "src/train/gradient-norms.ts"],
    tests: [
      ["plan", "results", "summary", "report", "train-part"].map((name) => `tests/ablation/depth/${name}`),
      ["tests/report/markdown", "tests/train/gradient-norms", "tests/ablation/depth/command"],
    ],
  },
  hub: {
    source: ["src/hub"],
    tests: [
      ["address", "blob", "request", "timm-config", "url-file"],
      ["pull", "refusals"],
    ].map((names) => names.map((name) => `tests/hub/${name}.test.ts`)),
  },
  cli: {
    source: ["src/cli/main.ts", "src/terminal/interrupt.ts", "src/terminal/format.ts"],
    tests: [["tests/cli/usage.test.ts", "tests/cli/endings.test.ts"]],
  },
  "kernels/optimizer": { source: ["kernels/optimizer.c"], tests: [["tests/train/optimizer.test.ts"]] },
  "kernels/convolution": {
    source: ["kernels/conv_"],
    tests: [
      ["tests/backend/conv.test.ts", "--testNamePattern=native"],
      ["tests/backend/special-values.test.ts", "tests/tensor/convolution-ops", "tests/tensor/training"],
    ],
  },
  // But for simd.h, with which everything else would have to be compiled anew.
  "kernels/other": {
    source: [
      ...[
        "batch_norm",
        "broadcast",
        "channel",
        "column_sums",
        "double_functions",
        "elementwise",
        "gather",
        "grid_sample",
      ],
      ...[
        "layout",
        "loss",
        "math_functions",
        "matmul",
        "native/",
        "non_max_suppression",
        "normalize",
        "places",
        "pool",
      ],
      ...["ranked", "reduce", "resample", "strided_copy", "tasks", "top_k", "unary"],
    ].map((name) => `kernels/${name}`),
    tests: [
      ["tests/backend/conformance", "tests/backend/special-values", "--testNamePattern=native"],
      ["tests/backend/backend.test.ts", "tests/backend/native.test.ts", "--testNamePattern=native"],
      ["tests/tensor"],
    ],
  },
};
