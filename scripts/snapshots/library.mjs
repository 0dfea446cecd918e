// What the snapshots need of the library, in one place: files may move, snapshots may not change by it.
export { counts } from "#repvgg/analysis/counts.js";
export { deferredArray } from "#repvgg/core/deferred-array.js";
export { UserError } from "#repvgg/core/errors.js";
export { elementCount, f32 } from "#repvgg/core/named-arrays.js";
export { rngFor } from "#repvgg/core/rng.js";
export { planReport } from "#repvgg/engine/plan-report.js";
export { refusalKinds } from "#repvgg/fold/refusals.js";
export { rules } from "#repvgg/fold/rules.js";
export { readOnnx } from "#repvgg/formats/onnx/model.js";
export { int, intAttribute, ints, intsAttribute } from "#repvgg/graph/attributes.js";
export { GraphBuilder, int64, node, parameterCount, valueInfo } from "#repvgg/graph/build.js";
export { fold } from "#repvgg/graph/fold.js";
export { fromOnnx } from "#repvgg/graph/from-onnx.js";
export { architecture } from "#repvgg/nn/build-architecture.js";
export { stateSchema } from "#repvgg/nn/state-schema.js";
export { toGraph } from "#repvgg/nn/to-graph.js";
