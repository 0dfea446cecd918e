/**
 * Where each room's code lies, and the tests that are to notice a fault in it: stage by stage, the next one only where the one before
 * noticed nothing. Folders or files; of folders everything below.
 */
export const rooms = {
  core: { source: ["src/core"], tests: [["tests/core"]] },
  "conv-algebra": {
    source: ["src/conv-algebra"],
    tests: [["tests/conv-algebra"], ["tests/graph/fold-"]],
  },
  graph: { source: ["src/graph"], tests: [["tests/graph"]] },
  "graph/operators": {
    source: ["src/operators", "src/graph/window.ts"],
    tests: [
      ["operator-checks", "operator-shapes", "operator-types", "operator-values", "operators"],
      ["analyze", "resampling", "passes", "cases"],
    ].map((names) => names.map((name) => `tests/graph/${name}.test.ts`)),
  },
  "graph/passes": {
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
    source: ["src/fold", "src/graph/fold.ts"],
    tests: [
      [
        "borders",
        "channels",
        "families",
        "last-axis",
        "moves",
        "reasons",
        "refusals",
        "rules",
        "spatial",
        "trace",
        "transposed",
        "types",
      ],
      ["chains", "property"],
    ].map((names) => names.map((name) => `tests/graph/fold-${name}.test.ts`)),
  },
  "formats/onnx": {
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
  "formats/torch": { source: ["src/formats/torch"], tests: [["tests/formats"]] },
  "formats/files": {
    source: [
      "src/formats/atomic-write.node.ts",
      "src/formats/file-",
      "src/formats/byte-",
      "src/formats/memory-budget.ts",
    ],
    tests: [["tests/formats/files.test.ts", "tests/formats/atomic-write.test.ts"], ["tests/formats"]],
  },
  "engine/plan": {
    source: ["src/engine", "src/lowering"],
    tests: [
      ["arena", "lifetimes", "lowering", "fusion", "plan-cache", "session"],
      ["convolutions", "operators", "other-operators", "matrices", "pools", "resampling", "select"],
      ["random-graphs", "random-operators"],
    ].map((names) => names.map((name) => `tests/engine/${name}.test.ts`)),
  },
  "backend/conv": { source: ["src/backend/conv"], tests: [["tests/backend"], ["tests/engine"]] },
  tensor: { source: ["src/tensor"], tests: [["tests/tensor"], ["tests/nn"]] },
  nn: { source: ["src/nn"], tests: [["tests/nn"]] },
  data: {
    source: ["src/data"],
    tests: [
      [
        "augmentation",
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
      ["tests/analysis/proof.test.ts", "tests/analysis/comparison.test.ts", "tests/analysis/moved-scales.test.ts"],
    ],
  },
  "analysis/verify": { source: ["src/analysis", "src/verify"], tests: [["tests/analysis"]] },
  hub: {
    source: ["src/hub"],
    tests: [
      ["address", "blob", "request", "timm-config", "url-file"],
      ["pull", "refusals"],
    ].map((names) => names.map((name) => `tests/hub/${name}.test.ts`)),
  },
  cli: {
    source: ["src/cli/main.ts", "src/cli/interrupt.ts", "src/cli/format.ts"],
    tests: [["tests/cli/usage.test.ts", "tests/cli/endings.test.ts"]],
  },
  "kernels/optimizer": { source: ["kernels/optimizer.c"], tests: [["tests/train/optimizer.test.ts"]] },
  kernels: { source: ["kernels"], tests: [["tests/tensor"], ["tests/backend"]] },
};
