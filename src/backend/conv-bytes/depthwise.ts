import type { ConvGeometry } from "../../core/conv-geometry.js";
import { ceilDiv, checkScratch, roundUp } from "../conv/target.js";
import type { ByteConvParts, ByteConvTarget } from "./contract.js";
import { windowOf } from "./igemm.js";

/** One input and one output a group: every channel is a lane. */
export function depthwiseBytes(g: ConvGeometry, target: ByteConvTarget): ByteConvParts {
  const taps = g.kernelHeight * g.kernelWidth;
  // A position's sums, its taps' addresses, and a position outside the image.
  checkScratch(roundUp(g.outChannels, target.panelColumns) + 2 * taps + ceilDiv(g.inChannels, 4) + 256);
  return {
    packedWords: taps * ceilDiv(g.outChannels, 4),
    pack: (weight, packed) => [
      { kernel: "conv_u8_depthwise_pack", args: { weight, packed, channels: g.outChannels, taps } },
    ],
    run: (args) => ({
      kernel: "conv_u8_depthwise_forward",
      args: {
        ...args,
        ...windowOf(g),
      },
    }),
  };
}
