// What the snapshots need of the library, in one place: files may move, snapshots may not change by it.

export { blockAlgebra } from "#repvgg/analysis/block-algebra.js";
export { counts } from "#repvgg/analysis/counts.js";
export { loadModel } from "#repvgg/api/model-files.node.js";
export { endings, exitCodes } from "#repvgg/cli/exit-codes.js";
export { createProgram } from "#repvgg/cli/program.js";
export { deferredArray } from "#repvgg/core/deferred-array.js";
export { UserError } from "#repvgg/core/errors.js";
export { elementCount, f32 } from "#repvgg/core/named-arrays.js";
export { rngFor } from "#repvgg/core/rng.js";
export { planReport } from "#repvgg/engine/plan-report.js";
export { refusalKinds } from "#repvgg/fold/refusals.js";
export { linearOperators, rules } from "#repvgg/fold/rules.js";
export { stacking } from "#repvgg/fold/stacked-sums.js";
export { readOnnx } from "#repvgg/formats/onnx/model.js";
export { int, intAttribute, ints, intsAttribute } from "#repvgg/graph/attributes.js";
export { GraphBuilder, int64, node, parameterCount, valueInfo } from "#repvgg/graph/build.js";
export { noOps } from "#repvgg/graph/eliminate.js";
export { fold } from "#repvgg/graph/fold.js";
export { fromOnnx } from "#repvgg/graph/from-onnx.js";
export { limits } from "#repvgg/lowering/limits.js";
export { engineOperators } from "#repvgg/lowering/registry.js";
export { architecture } from "#repvgg/nn/build-architecture.js";
export { repvgg } from "#repvgg/nn/repvgg.js";
export { stateSchema } from "#repvgg/nn/state-schema.js";
export { toGraph } from "#repvgg/nn/to-graph.js";
export { operators } from "#repvgg/operators/registry.js";
export { gradientOf } from "#repvgg/tensor/gradients.js";
