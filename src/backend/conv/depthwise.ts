import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import { type ConvPlan, type ConvWeightGradientPlan, changesEverything } from "../convolution.js";
import { type ConvTarget, checkScratch, tapWords } from "./target.js";
import { backwardDataWindows, type ConvPhase, forwardWindow } from "./window.js";

/** One input and one output a group. */
export function isDepthwise(g: ConvGeometry): boolean {
  return g.groups > 1 && g.groups === g.inChannels && g.groups === g.outChannels;
}

export function depthwiseForward(g: ConvGeometry, target: ConvTarget): ConvPlan {
  return depthwisePlan(g, [forwardWindow(g)], target);
}

export function depthwiseBackwardData(g: ConvGeometry, target: ConvTarget): ConvPlan {
  return depthwisePlan(g, backwardDataWindows(g), target);
}

function depthwisePlan(g: ConvGeometry, phases: readonly ConvPhase[], target: ConvTarget): ConvPlan {
  const parts: (ConvPhase & { readonly at: number })[] = [];
  checkScratch(g.inChannels + tapWords(target) * (g.kernelHeight * g.kernelWidth + 1) + 64);
  let packedWords = 0;
  for (const phase of phases) {
    parts.push({ ...phase, at: packedWords });
    packedWords += phase.window.taps_y * phase.window.taps_x * g.inChannels;
  }
  return {
    algorithm: "depthwise",
    packedWords,
    workspaceWords: 0,
    pack: (weight, packed) =>
      parts
        .filter(({ window }) => window.taps_y > 0)
        .map(({ window, taps, at }): KernelCall => {
          const { taps_y, taps_x } = window;
          const args = { weight, packed: packed + at, channels: g.inChannels, kernel_width: g.kernelWidth };
          return { kernel: "conv_depthwise_pack", args: { ...args, taps_y, taps_x, ...taps } };
        }),
    run: (at) =>
      parts
        .filter(({ window }) => window.taps_y > 0 || changesEverything(at))
        .map(({ window, at: offset }): KernelCall => {
          const buffers = { x: at.input, packed: at.packed + offset, bias: at.bias ?? 0, y: at.output };
          const flags = { batch_inner: 0, relu: at.relu ? 1 : 0, accumulate: at.accumulate ? 1 : 0 };
          return { kernel: "conv_depthwise_forward", args: { ...buffers, ...window, ...flags } };
        }),
  };
}

export function depthwiseBackwardWeight(g: ConvGeometry): ConvWeightGradientPlan {
  return {
    algorithm: "depthwise",
    workspaceWords: 0,
    run: ({ input, outputGradient, weightGradient, accumulate }) => [
      {
        kernel: "conv_depthwise_backward_weight",
        args: {
          x: input,
          dy: outputGradient,
          dw: weightGradient,
          batch: g.batch,
          in_height: g.height,
          in_width: g.width,
          channels: g.inChannels,
          out_height: convOutHeight(g),
          out_width: convOutWidth(g),
          kernel_height: g.kernelHeight,
          kernel_width: g.kernelWidth,
          stride_y: g.strideHeight,
          stride_x: g.strideWidth,
          pad_y: g.padTop,
          pad_x: g.padLeft,
          dilation_y: g.dilationHeight,
          dilation_x: g.dilationWidth,
          accumulate: accumulate ? 1 : 0,
        },
      },
    ],
  };
}
