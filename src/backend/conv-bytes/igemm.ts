import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import { blockLength, ceilDiv, checkScratch, roundUp, scratchWords, tapWords } from "../conv/target.js";
import type { ByteConvParts, ByteConvTarget } from "./contract.js";

/** Below so many words of inputs a tap, those of all taps are gathered into one row: short loops are slow. */
const gatherBelowWords = 12;

/** Rows of a task: enough to make good use of a panel of weights that is read from L2. */
const blockRows = 64;

/** Any convolution of bytes as an implicit matrix product. */
export function igemmBytes(g: ConvGeometry, target: ByteConvTarget): ByteConvParts {
  const { groups, inChannels, outChannels } = g;
  const { gather, block_rows, block_panels } = igemmBytesShape(g, target);
  const taps = g.kernelHeight * g.kernelWidth;
  return {
    packedWords: groups * roundUp(outChannels / groups, target.panelColumns) * taps * groupWords(g),
    pack: (weight, packed) => [
      {
        kernel: "conv_u8_igemm_pack",
        args: { weight, packed, in_channels: inChannels, out_channels: outChannels, groups, taps },
      },
    ],
    run: (args) => ({
      kernel: "conv_u8_igemm_forward",
      args: {
        ...args,
        ...windowOf(g),
        groups,
        gather,
        block_rows,
        block_panels,
      },
    }),
  };
}

/** Words of a group's inputs at a position. */
export function groupWords(g: ConvGeometry): number {
  return ceilDiv(g.inChannels / g.groups, 4);
}

/** True where each group's inputs are whole words of a position. */
export function hasWholeWords(g: ConvGeometry): boolean {
  return g.groups === 1 || (g.inChannels / g.groups) % 4 === 0;
}

/** How the work is cut. */
export function igemmBytesShape(g: ConvGeometry, target: ByteConvTarget) {
  const [taps, words] = [g.kernelHeight * g.kernelWidth, groupWords(g)];
  // Where bytes are not multiplied as they are, they are widened as they are gathered.
  const gather = !target.multipliesBytes || !hasWholeWords(g) || (words < gatherBelowWords && taps > 1);
  const gathered = taps * words * (target.multipliesBytes ? 1 : 2);
  const rows = g.batch * convOutHeight(g) * convOutWidth(g);
  // In words, of a tile: its gathered inputs and sums, or its taps; and once for all a position outside the image.
  const tileWords = gather ? target.microRows * (gathered + target.panelColumns) : taps * tapWords(target);
  const outside = ceilDiv(g.inChannels, 4) + 256;
  checkScratch(tileWords + outside);
  const maxTiles = Math.floor((scratchWords - outside) / tileWords);
  const tiles = Math.min(ceilDiv(rows, target.microRows), blockRows / target.microRows, maxTiles);
  const panels = ceilDiv(g.outChannels / g.groups, target.panelColumns);
  return {
    gather: gather ? 1 : 0,
    block_rows: tiles * target.microRows,
    block_panels: blockLength(panels, g.groups * ceilDiv(rows, tiles * target.microRows), target.threads),
  };
}

/** The window of a convolution, as kernels name it. */
export function windowOf(g: ConvGeometry) {
  return {
    kernel_height: g.kernelHeight,
    kernel_width: g.kernelWidth,
    stride_y: g.strideHeight,
    stride_x: g.strideWidth,
    dilation_y: g.dilationHeight,
    dilation_x: g.dilationWidth,
  };
}
