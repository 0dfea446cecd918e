// The one-dimensional transforms of Winograd's F(m, 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
// 2015): y = Aᵀ [(G g) ⊙ (Bᵀ d)] with m + 2 products for m outputs. Interpolation points are 0, ±1, ∞ for m = 2 and 0, ±√½, ±√2, ∞ for
// m = 4: these powers stay closer to 1 than those of 0, ±1, ±2, ∞ (2.8 instead of 8), and rounding errors with them.
#pragma once
#include "simd.h"

INLINE void winograd2_data(const vf d[4], vf t[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[1] - d[3];
}

INLINE void winograd2_kernel(const vf g[3], vf t[4]) {
  const vf ends = g[0] + g[2];
  t[0] = g[0];
  t[1] = (ends + g[1]) * 0.5f;
  t[2] = (ends - g[1]) * 0.5f;
  t[3] = g[2];
}

INLINE void winograd2_result(const vf m[4], vf y[2]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}

#define ROOT_HALF 0.70710678118654752f
#define ROOT_TWO 1.41421356237309505f

// What the formulas have to be scaled by is in the last transform: WebAssembly transforms kernels at run time, the most of all.
INLINE void winograd4_data(const vf d[6], vf t[6]) {
  const vf even = d[2] * 2 - d[4], odd = (d[1] * 2 - d[3]) * ROOT_HALF;
  const vf even2 = d[4] * 2 - d[2], odd2 = (d[3] * 2 - d[1]) * ROOT_TWO;
  t[0] = d[0] - d[2] * 2.5f + d[4];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = d[1] - d[3] * 2.5f + d[5];
}

INLINE void winograd4_kernel(const vf g[3], vf t[6]) {
  const vf ends = g[0] + g[2], even = ends + g[0], even2 = ends + g[2], odd = g[1] * ROOT_TWO;
  t[0] = g[0];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd;
  t[4] = even2 - odd;
  t[5] = g[2];
}

INLINE void winograd4_result(const vf m[6], vf y[4]) {
  const vf sum = m[1] + m[2], difference = m[1] - m[2];
  const vf sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] + (sum * 4 + sum2) * (1.0f / 12);
  y[1] = (difference * 2 + difference2) * (ROOT_TWO / 12);
  y[2] = (sum + sum2) * (1.0f / 6);
  y[3] = (difference + difference2 * 2) * (ROOT_TWO / 12) + m[5];
}

// An edge: F(2, 3) at four of F(4, 3)'s points, 0, ±√½, ∞, for a tile of which two outputs lie in the image. It meets the kernels that
// winograd4_kernel makes; at ±√2 there is nothing to multiply.
INLINE void winograd4_edge_data(const vf d[6], vf t[6]) {
  const vf even = d[2] * 0.5f, odd = d[1] * (0.5f * ROOT_HALF);
  t[0] = d[0] - d[2] * 2;
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = t[4] = splat(0);
  t[5] = d[3] - d[1] * 0.5f;
}

INLINE void winograd4_edge_result(const vf m[6], vf y[4]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = (m[1] - m[2]) * ROOT_HALF + m[5];
  y[2] = y[3] = splat(0);
}

// F(4, 2) at 0, ±1, 2, ∞: y[i] = a·e[i] + b·e[i + 1].
INLINE void winograd_pair_data(const vf e[5], vf t[5]) {
  const vf a = e[3] - e[1];
  t[0] = (e[0] - e[2]) * 2 + a;
  t[1] = a - e[1] - e[2];
  t[2] = a + (e[1] - e[2]) * 3;
  t[3] = a;
  t[4] = e[4] - e[2] - a * 2;
}

INLINE void winograd_pair_result(const vf m[5], vf y[4]) {
  const vf sum = m[1] + m[2], difference = m[1] - m[2];
  y[0] = m[0] + sum + m[3];
  y[1] = difference + m[3] * 2;
  y[2] = sum + m[3] * 4;
  y[3] = difference + m[3] * 8 + m[4];
}

// Stride 2 on one axis: output i = g0·d[2i] + g1·d[2i + 1] + g2·d[2i + 2]. The even inputs meet g0 and g2 in F(4, 2); the odd ones
// meet g1 alone, one product for each output.
INLINE void winograd4_stride2_data(const vf d[9], vf t[9]) {
  const vf even[5] = {d[0], d[2], d[4], d[6], d[8]};
  winograd_pair_data(even, t);
  UNROLL
  for (int i = 0; i < 4; i++) t[5 + i] = d[2 * i + 1];
}

INLINE void winograd4_stride2_kernel(const vf g[3], vf t[6]) {
  t[0] = g[0] * 0.5f;
  t[1] = (g[0] + g[2]) * -0.5f;
  t[2] = (g[2] - g[0]) * (1.0f / 6);
  t[3] = (g[0] + g[2] * 2) * (1.0f / 6);
  t[4] = g[2];
  t[5] = g[1];
}

INLINE void winograd4_stride2_result(const vf m[9], vf y[4]) {
  winograd_pair_result(m, y);
  UNROLL
  for (int i = 0; i < 4; i++) y[i] += m[5 + i];
}

// The gradient of the input of a convolution of stride 2 and pad 1: of two neighbours, one meets the middle tap of one output gradient, the
// next the outer taps of two. The kernel is rotated, so these are g0 and g2 in this order.
INLINE void winograd8_transposed2_data(const vf d[5], vf t[9]) {
  winograd_pair_data(d, t);
  UNROLL
  for (int i = 0; i < 4; i++) t[5 + i] = d[i];
}

#define winograd8_transposed2_kernel winograd4_stride2_kernel

INLINE void winograd8_transposed2_result(const vf m[9], vf y[8]) {
  vf odd[4];
  winograd_pair_result(m, odd);
  UNROLL
  for (int i = 0; i < 4; i++) {
    y[2 * i] = m[5 + i];
    y[2 * i + 1] = odd[i];
  }
}

// The gradient of the weights of stride 2: the transposes of winograd4_stride2_result and of winograd4_stride2_kernel.
INLINE void winograd4_stride2_gradient(const vf g[4], vf t[9]) {
  const vf even = g[0] + g[2], odd = g[1] + g[3];
  t[0] = g[0];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = g[0] + g[1] * 2 + g[2] * 4 + g[3] * 8;
  t[4] = g[3];
  UNROLL
  for (int i = 0; i < 4; i++) t[5 + i] = g[i];
}

INLINE void winograd4_stride2_taps(const vf m[6], vf y[3]) {
  const vf half = m[1] * 0.5f;
  y[0] = m[0] * 0.5f - half + (m[3] - m[2]) * (1.0f / 6);
  y[1] = m[5];
  y[2] = m[4] - half + (m[2] + m[3] * 2) * (1.0f / 6);
}

// F(3, 4), the gradient of the weights: the same points, so the same Bᵀ; G takes 4 output gradients, Aᵀ gives 3 taps.
INLINE void winograd4_gradient(const vf g[4], vf t[6]) {
  const vf even = g[0] * 2 + g[2], odd = (g[1] * 2 + g[3]) * ROOT_HALF;
  const vf even2 = g[0] + g[2] * 2, odd2 = (g[1] + g[3] * 2) * ROOT_TWO;
  t[0] = g[0];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = g[3];
}

// Of an edge, F(3, 2): its taps add up with those of whole tiles before winograd4_taps.
INLINE void winograd4_edge_gradient(const vf g[4], vf t[6]) {
  const vf even = g[0] * 6, odd = g[1] * (6 * ROOT_HALF);
  t[0] = g[0];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = t[4] = splat(0);
  t[5] = g[1];
}

INLINE void winograd4_taps(const vf m[6], vf y[3]) {
  const vf sum = m[1] + m[2], sum2 = m[3] + m[4];
  y[0] = m[0] + (sum * 4 + sum2) * (1.0f / 12);
  y[1] = ((m[1] - m[2]) * 2 + m[3] - m[4]) * (ROOT_TWO / 12);
  y[2] = (sum + sum2) * (1.0f / 6) + m[5];
}
