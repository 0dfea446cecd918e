import type { MapGeometry } from "./geometry.js";
import { describeKernel, gcd } from "./geometry.js";
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
 * as dilation. Exact only where the outer map's padding is what the inner map would give there ({@link paddingObstacle}); else refused.
 */
export function compose(outer: LinearMap, inner: LinearMap): LinearMap | Refusal {
  if (outer.inChannels !== inner.outChannels) {
    return { refused: `${inner.outChannels} channels do not fit a convolution of ${outer.inChannels}` };
  }
  const { firstChannel, sourceChannels } = inner;
  if (inner.kernel instanceof IdentityKernel && inner.pads.every((p) => p === 0)) {
    return { ...outer, firstChannel, sourceChannels };
  }
  const obstacle = paddingObstacle(inner, outer.pads, undefined);
  if (obstacle) return { refused: `composing with a ${describeKernel(outer)} kernel: ${obstacle}` };
  const geometry = composedGeometry(outer, inner);
  const kernel = composedKernel(
    { kernel: outer.kernel, geometry: outer },
    { kernel: inner.kernel, geometry: inner },
    geometry,
  );
  return { ...geometry, kernel, ...composedBias(outer, inner) };
}

function composedGeometry(outer: LinearMap, inner: LinearMap): MapGeometry {
  const axes = ([0, 1] as const).map((axis) => {
    const outerStep = outer.kernelSize[axis] > 1 ? outer.dilation[axis] * inner.stride[axis] : 0;
    const innerStep = inner.kernelSize[axis] > 1 ? inner.dilation[axis] : 0;
    const step = gcd(outerStep, innerStep) || 1;
    const span = (outer.kernelSize[axis] - 1) * outerStep + (inner.kernelSize[axis] - 1) * innerStep;
    return { size: span / step + 1, step };
  });
  return {
    outChannels: outer.outChannels,
    inChannels: inner.inChannels,
    firstChannel: inner.firstChannel,
    sourceChannels: inner.sourceChannels,
    groups: gcd(outer.groups, inner.groups),
    kernelSize: [axes[0].size, axes[1].size],
    dilation: [axes[0].step, axes[1].step],
    stride: [outer.stride[0] * inner.stride[0], outer.stride[1] * inner.stride[1]],
    pads: composedPads(inner, outer.pads),
  };
}

function composedBias(outer: LinearMap, inner: LinearMap): Pick<LinearMap, "bias" | "biasScale"> {
  if (inner.biasScale.every((b) => b === 0)) return { bias: outer.bias, biasScale: outer.biasScale };
  const weight = weightOf(outer);
  const taps = outer.kernelSize[0] * outer.kernelSize[1];
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
