import { type ConvGeometry, convOutHeight, convOutWidth } from "#repvgg/core/conv-geometry.js";

/** Naive convolutions in float64: NHWC activations, HWIO weights. Every product of a convolution once, in three roles. */

function forEachProduct(
  g: ConvGeometry,
  visit: (x: number, w: number, y: number) => void, // indices of the three elements of one product
): void {
  const [outHeight, outWidth] = [convOutHeight(g), convOutWidth(g)];
  const [groupInputs, groupOutputs] = [g.inChannels / g.groups, g.outChannels / g.groups];
  for (let n = 0; n < g.batch; n++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let ky = 0; ky < g.kernelHeight; ky++)
          for (let kx = 0; kx < g.kernelWidth; kx++) {
            const iy = oy * g.strideHeight + ky * g.dilationHeight - g.padTop;
            const ix = ox * g.strideWidth + kx * g.dilationWidth - g.padLeft;
            if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) continue;
            const pixel = ((n * g.height + iy) * g.width + ix) * g.inChannels;
            const position = ((n * outHeight + oy) * outWidth + ox) * g.outChannels;
            const tap = (ky * g.kernelWidth + kx) * groupInputs * g.outChannels;
            for (let o = 0; o < g.outChannels; o++) {
              const firstInput = Math.floor(o / groupOutputs) * groupInputs;
              for (let i = 0; i < groupInputs; i++)
                visit(pixel + firstInput + i, tap + i * g.outChannels + o, position + o);
            }
          }
}

export function inputLength(g: ConvGeometry): number {
  return g.batch * g.height * g.width * g.inChannels;
}

export function weightLength(g: ConvGeometry): number {
  return g.kernelHeight * g.kernelWidth * (g.inChannels / g.groups) * g.outChannels;
}

export function outputLength(g: ConvGeometry): number {
  return g.batch * convOutHeight(g) * convOutWidth(g) * g.outChannels;
}

export function naiveForward(g: ConvGeometry, x: ArrayLike<number>, w: ArrayLike<number>): Float64Array {
  const y = new Float64Array(outputLength(g));
  forEachProduct(g, (xi, wi, yi) => {
    y[yi]! += x[xi]! * w[wi]!;
  });
  return y;
}

export function naiveBackwardData(g: ConvGeometry, dy: ArrayLike<number>, w: ArrayLike<number>): Float64Array {
  const dx = new Float64Array(inputLength(g));
  forEachProduct(g, (xi, wi, yi) => {
    dx[xi]! += dy[yi]! * w[wi]!;
  });
  return dx;
}

export function naiveBackwardWeight(g: ConvGeometry, x: ArrayLike<number>, dy: ArrayLike<number>): Float64Array {
  const dw = new Float64Array(weightLength(g));
  forEachProduct(g, (xi, wi, yi) => {
    dw[wi]! += x[xi]! * dy[yi]!;
  });
  return dw;
}

/** max |a − b| / max |b| */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    if (Number.isNaN(a[i])) return Number.NaN;
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(b[i]!));
  }
  return difference / (size || 1);
}
