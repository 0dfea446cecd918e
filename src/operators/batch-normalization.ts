import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, floatAttribute } from "../graph/attributes.js";
import { type Tensor64, tensor64 } from "../graph/evaluate/tensor64.js";
import { vectorOf } from "../graph/operator/checks.js";
import { describe, type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";
import { channelStatistics } from "./channel-statistics.js";

/** How a node normalizes: by the given statistics, by those of its batch, or by statistics for every position (`spatial = 0`). */
export type BatchNormMode = "inference" | "training" | "by-position";

/**
 * Training mode is an attribute since version 14, `is_test` below 7, and from 7 to 13 told by more outputs than one: with five, the batch's own
 * statistics were used.
 */
export function batchNormMode({ node, version }: Pick<NodeContext, "node" | "version">): BatchNormMode {
  const more = node.outputs.slice(1).some((output) => output !== "");
  const training =
    version >= 14
      ? flagAttribute(node, "training_mode", false)
      : version < 7
        ? !flagAttribute(node, "is_test", false)
        : more;
  if (training) return "training";
  return version < 9 && !flagAttribute(node, "spatial", true) ? "by-position" : "inference";
}

const names = ["scale", "B", "input_mean", "input_var"];
const oneType = signature(
  "X:T scale:T B:T input_mean:T input_var:T -> Y:T running_mean?:T running_var?:T saved_mean?:T saved_var?:T",
  { T: floats },
);
const twoTypes = signature("X:T scale:T B:T input_mean:U input_var:U -> Y:T running_mean?:U running_var?:U", {
  T: floats,
  U: floats,
});
const threeTypes = signature("X:T scale:T1 B:T1 input_mean:T2 input_var:T2 -> Y:T running_mean?:T2 running_var?:T2", {
  T: floats,
  T1: floats,
  T2: floats,
});

/** y = γ (x − μ) / √(σ² + ε) + β for each channel (Ioffe and Szegedy, arXiv 1502.03167). */
export const batchNormalization: Operator = {
  name: "BatchNormalization",
  versions: [1, 6, 7, 9, 14, 15],
  signature: (version) => (version < 14 ? oneType : version < 15 ? twoTypes : threeTypes),
  infer(context) {
    const x = context.shape(0);
    if (x && x.length < 1) refuse(context, "an input [N, C, …]", describe(x));
    if (batchNormMode(context) === "by-position") {
      names.forEach((name, i) => {
        const own = context.shape(i + 1);
        if (
          x &&
          own &&
          (own.length !== x.length - 1 ||
            own.some(
              (size, axis) => typeof size === "number" && typeof x[axis + 1] === "number" && size !== x[axis + 1],
            ))
        ) {
          refuse(context, `${name} of shape ${describe(x.slice(1))} (spatial = 0)`, describe(own));
        }
      });
      return [x];
    }
    const channels = (x && (x.length === 1 ? 1 : x[1])) ?? context.shape(1)?.[0];
    for (const [i, name] of names.entries()) vectorOf(context, i + 1, name, channels);
    return [x, ...context.node.outputs.slice(1).map(() => context.shape(3))];
  },
  /** In training mode by the batch's own statistics, with the running ones as second and third result, as ONNX defines it. */
  evaluate: (call) => {
    const [x, gamma, beta, runningMean, runningVariance] = call.inputs as readonly Tensor64[];
    const { node } = call;
    const mode = batchNormMode(call);
    const epsilon = floatAttribute(node, "epsilon", 1e-5);
    const batch = mode === "training" ? channelStatistics(x) : undefined;
    const { mean, variance } = batch ?? { mean: runningMean.data, variance: runningVariance.data };
    const count = gamma.data.length;
    const area = mode === "by-position" ? 1 : elementCount(x.shape.slice(2));
    const result = x.data.map((v, at) => {
      const c = Math.floor(at / area) % count;
      return (gamma.data[c] * (v - mean[c])) / Math.sqrt(variance[c] + epsilon) + beta.data[c];
    });
    const y = tensor64(x.shape, result, x.dtype);
    if (!batch) return [y];
    const momentum = floatAttribute(node, "momentum", 0.9);
    const updated = (running: Tensor64, own: Float64Array): Tensor64 =>
      tensor64(
        running.shape,
        running.data.map((v, c) => v * momentum + own[c] * (1 - momentum)),
        running.dtype,
      );
    const saved = (own: Float64Array): Tensor64 => tensor64([own.length], own, runningMean.dtype);
    return [
      y,
      updated(runningMean, batch.mean),
      updated(runningVariance, batch.variance),
      saved(batch.mean),
      saved(batch.variance),
    ];
  },
};
