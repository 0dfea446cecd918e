// exp and log in our own code: there is no libm here, and results must be the same on every machine.
#pragma once
#include "simd.h"

// eˣ, error below 2 ulp; denormal results are kept, NaN stays NaN.
// x = n ln 2 + r with |r| ≤ ln 2 / 2; eʳ by its Taylor series to r⁷ / 7! (what is left out is below 6e-9 eʳ);
// the factor 2ⁿ goes in by two halves, so that n = 128 and denormals need no case of their own.
INLINE vf vexp(vf x) {
  x = vmin(vmax(x, splat(-104.0f)), splat(89.0f));
  const vf rounder = splat(12582912.0f); // 1.5 · 2²³: adding it rounds to an integer, which then stands in the low bits
  vf shifted = x * splat(1.44269504f) + rounder;
  vf n = shifted - rounder;
  vf r = x - n * splat(0.693359375f);      // ln 2 in two parts; the first has few bits, so that the product is exact
  r = r - n * splat(-2.12194440e-4f);
  vf p = splat(1.0f / 5040);
  p = p * r + splat(1.0f / 720);
  p = p * r + splat(1.0f / 120);
  p = p * r + splat(1.0f / 24);
  p = p * r + splat(1.0f / 6);
  p = p * r + splat(0.5f);
  p = p * r * r + r + splat(1.0f);
  vi k = (vi)shifted - (vi)rounder;
  vi half = k >> 1;
  return p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
}

// ln x for normal x > 0 (and ∞, NaN as they are), correctly rounded but for rare ties: computed in double.
// x = 2ᵉ m, m in [√½, √2); ln m = 2 atanh s, s = (m − 1) / (m + 1), |s| < 0.172.
static inline float log_positive(float x) {
  union {
    float f;
    int32_t i;
  } bits = {x};
  if (bits.i >= 0x7f800000 || x != x) return x;
  int exponent = (bits.i - 0x3f3504f3) >> 23; // 0x3f3504f3 is √½
  bits.i -= exponent * (1 << 23);
  double m = bits.f, s = (m - 1) / (m + 1), q = s * s;
  double series = 1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13))))));
  return (float)(exponent * 0.6931471805599453 + 2 * s * series);
}
