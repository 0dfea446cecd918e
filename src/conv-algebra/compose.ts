import type { MapGeometry } from "./geometry.js";
import { describeKernel, gcd, product } from "./geometry.js";
import { composedKernel, IdentityKernel } from "./kernel.js";
import type { LinearMap, Refusal } from "./linear-map.js";
import { weightOf } from "./linear-map.js";
import { composedPads, paddingObstacle } from "./pad.js";

/**
 * outer ∘ inner as one map: 1×1 after k×k, k×k after 1×1, k₁ after k₂, depthwise and pointwise in any order.
 *
 *     W[o, i, t] = Σ_m Σ_{a·dₒ·sᵢ + b·dᵢ = t} Wₒ[o, m, a] · Wᵢ[m, i, b]        b[o] = bₒ[o] + Σ_{m, a} Wₒ[o, m, a] · bᵢ[m]
 *
 * with stride sₒ·sᵢ, pads pᵢ + sᵢ·pₒ and gcd(gₒ, gᵢ) groups (Diverse Branch Block, transform III). Taps keep the largest common step
 * as dilation. Where the outer map spreads the inner one's output uₒ apart (a transposed convolution), dᵢ and pᵢ count uₒ-fold. Exact only where the outer map's padding is what the inner map would give there ({@link paddingObstacle}); else refused.
 */
export function compose(outer: LinearMap, inner: LinearMap): LinearMap | Refusal {
  if (outer.kernelSize.length !== inner.kernelSize.length) {
    return {
      kind: "axes",
      refused: `a window of ${outer.kernelSize.length} spatial axes does not fit a value of ${inner.kernelSize.length}`,
    };
  }
  if (outer.inChannels !== inner.outChannels) {
    return {
      kind: "channels",
      refused: `${inner.outChannels} channels do not fit a convolution of ${outer.inChannels}`,
    };
  }
  const { firstChannel, sourceChannels } = inner;
  if (isPlainIdentity(inner)) return { ...outer, firstChannel, sourceChannels };
  const spread = transposedObstacle(outer, inner);
  if (spread) return spread;
  const rank = outer.upsampling.length;
  const seen = outer.pads.map((p, side) => Math.floor(p / outer.upsampling[side % rank]));
  const obstacle = paddingObstacle(inner, seen, undefined);
  if (obstacle) {
    return { ...obstacle, refused: `composing with a ${describeKernel(outer)} kernel: ${obstacle.refused}` };
  }
  const geometry = composedGeometry(outer, inner);
  const kernel = composedKernel(
    { kernel: outer.kernel, geometry: outer },
    { kernel: inner.kernel, geometry: inner },
    geometry,
  );
  return { ...geometry, kernel, ...composedBias(outer, inner) };
}

/** A map that gives its source as it is, or some of its channels. */
function isPlainIdentity({ kernel, pads, stride, upsampling, biasScale }: LinearMap): boolean {
  const plain = pads.every((p) => p === 0) && [...stride, ...upsampling].every((step) => step === 1);
  return kernel instanceof IdentityKernel && plain && biasScale.every((b) => b === 0);
}

/** Why a map before or after a transposed one does not become one with it; undefined where it may, or none is transposed. */
function transposedObstacle(outer: LinearMap, inner: LinearMap): Refusal | undefined {
  const [outerSpreads, innerSpreads] = [outer, inner].map(({ upsampling }) => upsampling.some((u) => u > 1));
  const strided = ({ stride }: LinearMap): boolean => stride.some((s) => s > 1);
  if ((outerSpreads && strided(inner)) || (innerSpreads && strided(outer))) {
    return {
      kind: "strided-and-transposed",
      refused: "a strided and a transposed convolution are neither one nor the other",
    };
  }
  if (outerSpreads && inner.biasScale.some((b) => b !== 0)) {
    return {
      kind: "bias-before-transposed",
      refused: "a bias comes before a transposed convolution, whose outputs get it from unequal numbers of taps",
    };
  }
  return undefined;
}

function composedGeometry(outer: LinearMap, inner: LinearMap): MapGeometry {
  const axes = outer.kernelSize.map((size, axis) => {
    const outerStep = size > 1 ? outer.dilation[axis] * inner.stride[axis] : 0;
    const innerStep = inner.kernelSize[axis] > 1 ? inner.dilation[axis] * outer.upsampling[axis] : 0;
    const step = gcd(outerStep, innerStep) || 1;
    const span = (size - 1) * outerStep + (inner.kernelSize[axis] - 1) * innerStep;
    return { size: span / step + 1, step };
  });
  return {
    outChannels: outer.outChannels,
    inChannels: inner.inChannels,
    firstChannel: inner.firstChannel,
    sourceChannels: inner.sourceChannels,
    groups: gcd(outer.groups, inner.groups),
    kernelSize: axes.map(({ size }) => size),
    dilation: axes.map(({ step }) => step),
    stride: outer.stride.map((s, axis) => s * inner.stride[axis]),
    upsampling: outer.upsampling.map((u, axis) => u * inner.upsampling[axis]),
    pads: composedPads(inner, outer.pads, outer.upsampling),
  };
}

function composedBias(outer: LinearMap, inner: LinearMap): Pick<LinearMap, "bias" | "biasScale"> {
  if (inner.biasScale.every((b) => b === 0)) return { bias: outer.bias, biasScale: outer.biasScale };
  const weight = weightOf(outer);
  const taps = product(outer.kernelSize);
  const middle = outer.inChannels / outer.groups;
  const bias = outer.bias.slice();
  const biasScale = outer.biasScale.slice();
  for (let o = 0, w = 0; o < outer.outChannels; o++) {
    const first = Math.floor(o / (outer.outChannels / outer.groups)) * middle;
    for (let m = first; m < first + middle; m++) {
      let sum = 0;
      let magnitude = 0;
      for (let a = 0; a < taps; a++, w++) {
        sum += weight[w];
        magnitude += Math.abs(weight[w]);
      }
      bias[o] += sum * inner.bias[m];
      biasScale[o] += magnitude * inner.biasScale[m];
    }
  }
  return { bias, biasScale };
}
