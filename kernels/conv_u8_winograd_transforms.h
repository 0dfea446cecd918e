// The transforms of Winograd's algorithm in whole numbers, exact: what conv_winograd_transforms.h does in floats, at the points 0, ±1, (±2,) ∞.
//
// Y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A. G has fractions: the kernels' transform here is a whole multiple of each row of G (so that a transformed
// weight is at most 49 · 128 and fits int16), and the results' transform makes up for it, times a number SCALE on each axis that all fractions
// divide. So the sums are SCALE² times the result, exactly. Of int32 sums that wrap, SCALE² · y is known modulo 2³²; the odd part of SCALE² has
// an inverse there, and the even part is shifted out: y is known modulo 2³² / even part. That is all of it where an output's possible values
// span less, whatever the sums between were (see conv_u8_winograd.h).
#pragma once
#include "u8_micro.h"

// F(2, 3) at 0, ±1, ∞: SCALE 2.
#define u8_winograd2_SHIFT 2
#define u8_winograd2_INVERSE 1u
INLINE void u8_winograd2_data(const vs d[4], vs t[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[3] - d[1];
}
INLINE void u8_winograd2_kernel(const vs g[3], vs t[4]) {
  const vs outer = g[0] + g[2];
  t[0] = g[0];
  t[1] = outer + g[1];
  t[2] = outer - g[1];
  t[3] = g[2];
}
INLINE void u8_winograd2_result(const vu m[4], vu y[2]) {
  y[0] = m[0] * 2 + m[1] + m[2];
  y[1] = m[1] - m[2] + m[3] * 2;
}

// F(4, 3) at 0, ±1, ±2, ∞: SCALE 24.
#define u8_winograd4_SHIFT 6
#define u8_winograd4_INVERSE 0x38e38e39u // of 9
INLINE void u8_winograd4_data(const vs d[6], vs t[6]) {
  const vs even = d[4] - d[2] * 4, odd = d[1] * 4 - d[3];
  const vs even2 = d[4] - d[2], odd2 = (d[3] - d[1]) * 2;
  t[0] = (d[0] - d[2]) * 4 - d[2] + d[4];
  t[1] = odd - even; // − of the row that meets a kernel of −1/6: so here it is 1/6
  t[2] = -even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = (d[1] - d[3]) * 4 - d[3] + d[5];
}
INLINE void u8_winograd4_kernel(const vs g[3], vs t[6]) {
  const vs outer = g[0] + g[2], outer2 = g[0] + g[2] * 4, middle2 = g[1] * 2;
  t[0] = g[0];
  t[1] = outer + g[1];
  t[2] = outer - g[1];
  t[3] = outer2 + middle2;
  t[4] = outer2 - middle2;
  t[5] = g[2];
}
INLINE void u8_winograd4_result(const vu m[6], vu y[4]) {
  const vu sum = (m[1] + m[2]) * 4, difference = (m[1] - m[2]) * 4, sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] * 6 + sum + sum2;
  y[1] = difference + difference2 * 2;
  y[2] = sum + sum2 * 4;
  y[3] = difference + difference2 * 8 + m[5] * 24;
}
// Of an edge: F(2, 3), which has four of these points, with the same kernels and the same SCALE.
INLINE void u8_winograd4_edge_data(const vs d[6], vs t[6]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = t[4] = (vs){0};
  t[5] = d[3] - d[1];
}
INLINE void u8_winograd4_edge_result(const vu m[6], vu y[4]) {
  y[0] = m[0] * 24 + (m[1] + m[2]) * 12;
  y[1] = (m[1] - m[2]) * 12 + m[5] * 24;
  y[2] = y[3] = (vu){0};
}

// Stride 2 on one axis, as winograd4_stride2_data: even inputs by F(4, 2) at 0, ±1, 2, ∞, odd ones plainly. SCALE 6.
#define u8_winograd4_stride2_SHIFT 2
#define u8_winograd4_stride2_INVERSE 0x38e38e39u
INLINE void u8_winograd4_stride2_data(const vs d[9], vs t[9]) {
  const vs e0 = d[0], e1 = d[2], e2 = d[4], e3 = d[6], e4 = d[8], a = e3 - e1;
  t[0] = (e0 - e2) * 2 + a;
  t[1] = e1 + e2 - a; // − of the row that meets a kernel of −1/2
  t[2] = a + (e1 - e2) * 3;
  t[3] = a;
  t[4] = e4 - e2 - a * 2;
  UNROLL
  for (int i = 0; i < 4; i++) t[5 + i] = d[2 * i + 1];
}
INLINE void u8_winograd4_stride2_kernel(const vs g[3], vs t[6]) {
  t[0] = g[0];
  t[1] = g[0] + g[2];
  t[2] = g[2] - g[0];
  t[3] = g[0] + g[2] * 2;
  t[4] = g[2];
  t[5] = g[1];
}
INLINE void u8_winograd4_stride2_result(const vu m[9], vu y[4]) {
  const vu first = m[1] * 3, sum = first + m[2], difference = first - m[2];
  y[0] = m[0] * 3 + sum + m[3] + m[5] * 6;
  y[1] = difference + m[3] * 2 + m[6] * 6;
  y[2] = sum + m[3] * 4 + m[7] * 6;
  y[3] = difference + m[3] * 8 + (m[4] + m[8]) * 6;
}
