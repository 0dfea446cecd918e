import { type ConvGeometry, checkConvGeometry } from "#repvgg/core/conv-geometry.js";

interface Short {
  n?: number;
  h: number;
  w: number;
  i: number;
  o: number;
  k: [number, number];
  s?: [number, number];
  /** top, left, bottom, right */
  p?: [number, number, number, number];
  d?: [number, number];
  g?: number;
}

function geometry({ n = 1, h, w, i, o, k, s = [1, 1], p = [0, 0, 0, 0], d = [1, 1], g = 1 }: Short): ConvGeometry {
  const result: ConvGeometry = {
    ...{ batch: n, height: h, width: w, inChannels: i, outChannels: o, kernelHeight: k[0], kernelWidth: k[1] },
    ...{ strideHeight: s[0], strideWidth: s[1], padTop: p[0], padLeft: p[1], padBottom: p[2], padRight: p[3] },
    ...{ dilationHeight: d[0], dilationWidth: d[1], groups: g },
  };
  checkConvGeometry(result);
  return result;
}

const same: Short["p"] = [1, 1, 1, 1];

/** Odd shapes on purpose: each line is here for what it alone has. */
export const convGeometries: readonly ConvGeometry[] = [
  // linear layers and 1×1
  geometry({ n: 1, h: 1, w: 1, i: 1, o: 1, k: [1, 1] }),
  geometry({ n: 3, h: 1, w: 1, i: 17, o: 5, k: [1, 1] }),
  geometry({ n: 13, h: 1, w: 1, i: 40, o: 33, k: [1, 1] }),
  geometry({ n: 2, h: 5, w: 7, i: 8, o: 17, k: [1, 1] }),
  geometry({ n: 3, h: 9, w: 9, i: 17, o: 8, k: [1, 1], s: [2, 2] }),
  geometry({ n: 5, h: 2, w: 2, i: 16, o: 24, k: [1, 1], s: [2, 2] }),
  // first layers
  geometry({ n: 3, h: 33, w: 17, i: 3, o: 17, k: [3, 3], s: [2, 2], p: same }),
  geometry({ n: 1, h: 17, w: 33, i: 1, o: 8, k: [3, 3], p: same }),
  geometry({ n: 1, h: 20, w: 19, i: 3, o: 5, k: [7, 7], s: [2, 2], p: [3, 3, 3, 3] }),
  // few inputs in the order that skips padding, with dilation, in groups
  geometry({ n: 6, h: 3, w: 4, i: 3, o: 17, k: [3, 3], p: same }),
  geometry({ n: 2, h: 9, w: 10, i: 3, o: 8, k: [3, 3], p: [2, 1, 2, 3], d: [2, 2] }),
  geometry({ n: 1, h: 6, w: 9, i: 6, o: 10, k: [3, 3], s: [1, 2], p: [1, 0, 0, 1], g: 2 }),
  // what Winograd cannot do, for one field each
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: same, d: [1, 2] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: same, d: [2, 1] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: same, s: [1, 2] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: same, s: [2, 1] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 5], p: same }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [5, 3], p: same }),
  // of stride 2, the gradient of the input by Winograd is of pad 1 alone
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: [1, 0, 1, 1], s: [2, 2] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: [1, 2, 1, 1], s: [2, 2] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: [0, 1, 1, 1], s: [2, 2] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: [2, 1, 1, 1], s: [2, 2] }),
  geometry({ n: 1, h: 9, w: 10, i: 8, o: 8, k: [3, 3], p: [1, 1, 0, 2], s: [2, 2] }),
  // 3×3, stride 1: what Winograd can do
  geometry({ n: 1, h: 3, w: 3, i: 5, o: 3, k: [3, 3] }),
  geometry({ n: 3, h: 1, w: 1, i: 8, o: 8, k: [3, 3], p: same }),
  geometry({ n: 9, h: 2, w: 2, i: 17, o: 16, k: [3, 3], p: same }),
  geometry({ n: 5, h: 4, w: 4, i: 24, o: 17, k: [3, 3], p: same }),
  geometry({ n: 1, h: 14, w: 14, i: 33, o: 40, k: [3, 3], p: same }),
  geometry({ n: 3, h: 9, w: 13, i: 17, o: 8, k: [3, 3], p: [0, 2, 1, 0] }),
  geometry({ n: 1, h: 33, w: 17, i: 8, o: 5, k: [3, 3], p: [2, 2, 2, 2] }),
  geometry({ n: 1, h: 6, w: 7, i: 4, o: 3, k: [3, 3], p: [3, 3, 3, 3] }),
  geometry({ n: 3, h: 8, w: 8, i: 32, o: 32, k: [3, 3], p: same, g: 2 }),
  // edges of Winograd's tiles along the width alone, along the height alone, of one row and of two
  geometry({ n: 2, h: 8, w: 14, i: 9, o: 12, k: [3, 3], p: same }),
  geometry({ n: 3, h: 10, w: 7, i: 12, o: 40, k: [3, 3], p: same }),
  geometry({ n: 2, h: 5, w: 18, i: 20, o: 33, k: [3, 3], p: same }),
  geometry({ n: 1, h: 11, w: 6, i: 68, o: 36, k: [3, 3], p: same, g: 4 }),
  // stride 2
  geometry({ n: 3, h: 8, w: 8, i: 17, o: 24, k: [3, 3], s: [2, 2], p: same }),
  geometry({ n: 4, h: 7, w: 9, i: 16, o: 17, k: [3, 3], s: [2, 2], p: same }),
  geometry({ n: 6, h: 2, w: 2, i: 12, o: 16, k: [3, 3], s: [2, 2], p: same }),
  geometry({ n: 1, h: 10, w: 11, i: 16, o: 8, k: [3, 3], s: [2, 2], p: [0, 1, 2, 0], g: 4 }),
  geometry({ n: 1, h: 12, w: 9, i: 13, o: 12, k: [3, 3], s: [1, 2], p: same }),
  geometry({ n: 1, h: 9, w: 9, i: 5, o: 8, k: [2, 2], s: [2, 2] }),
  geometry({ n: 2, h: 13, w: 13, i: 3, o: 16, k: [4, 4], s: [4, 4] }),
  // more inputs than a part of the depth has
  geometry({ n: 1, h: 7, w: 6, i: 210, o: 20, k: [3, 3], p: same }),
  geometry({ n: 2, h: 8, w: 7, i: 195, o: 196, k: [3, 3], s: [2, 2], p: same }),
  geometry({ n: 1, h: 6, w: 5, i: 12, o: 257, k: [3, 3], p: same }),
  // other kernels and dilation
  geometry({ n: 1, h: 6, w: 13, i: 17, o: 5, k: [1, 3], p: [0, 1, 0, 1] }),
  geometry({ n: 1, h: 13, w: 6, i: 12, o: 9, k: [3, 1], s: [2, 1], p: [1, 0, 1, 0] }),
  geometry({ n: 3, h: 9, w: 8, i: 13, o: 16, k: [5, 5], p: [2, 2, 2, 2] }),
  geometry({ n: 1, h: 12, w: 11, i: 16, o: 8, k: [7, 7], s: [2, 2], p: [3, 2, 3, 3] }),
  geometry({ n: 3, h: 11, w: 10, i: 17, o: 8, k: [3, 3], p: [2, 2, 2, 2], d: [2, 2] }),
  geometry({ n: 1, h: 14, w: 13, i: 12, o: 8, k: [3, 3], s: [2, 2], p: [2, 2, 2, 2], d: [2, 2] }),
  geometry({ n: 1, h: 14, w: 13, i: 12, o: 8, k: [3, 3], s: [3, 2], p: [2, 3, 2, 3], d: [2, 3], g: 2 }),
  // depthwise, and almost
  geometry({ n: 3, h: 7, w: 9, i: 17, o: 17, k: [3, 3], p: same, g: 17 }),
  geometry({ n: 1, h: 33, w: 17, i: 8, o: 8, k: [3, 3], s: [2, 2], p: same, g: 8 }),
  geometry({ n: 3, h: 4, w: 4, i: 40, o: 40, k: [3, 3], p: same, g: 40 }),
  geometry({ n: 1, h: 13, w: 12, i: 5, o: 5, k: [7, 7], p: [3, 3, 3, 3], g: 5 }),
  geometry({ n: 1, h: 11, w: 12, i: 12, o: 12, k: [5, 5], s: [2, 1], p: [1, 2, 3, 0], d: [1, 2], g: 12 }),
  geometry({ n: 3, h: 6, w: 5, i: 8, o: 8, k: [1, 1], g: 8 }),
  geometry({ n: 1, h: 9, w: 9, i: 4, o: 12, k: [3, 3], p: same, g: 4 }),
];

/** A name for test titles: "3×33×17×3 → 17, 3×3, stride 2×2, pads 1 1 1 1, groups 2". */
export function describeGeometry(g: ConvGeometry): string {
  const parts = [
    `${g.batch}×${g.height}×${g.width}×${g.inChannels} → ${g.outChannels}`,
    `${g.kernelHeight}×${g.kernelWidth}`,
    `stride ${g.strideHeight}×${g.strideWidth}`,
    `pads ${g.padTop} ${g.padLeft} ${g.padBottom} ${g.padRight}`,
    `dilation ${g.dilationHeight}×${g.dilationWidth}`,
    `groups ${g.groups}`,
  ];
  return parts.join(", ");
}
