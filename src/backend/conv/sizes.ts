import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";

/** Images, heights, widths and channels of a convolution, as kernels name them. */
export function convSizes(g: ConvGeometry) {
  return {
    batch: g.batch,
    in_height: g.height,
    in_width: g.width,
    in_channels: g.inChannels,
    out_height: convOutHeight(g),
    out_width: convOutWidth(g),
    out_channels: g.outChannels,
  };
}
