// exp, log, power and erfc in double, for float32 operands and results: what is rounded once, to float32, is right within 1 ulp even where
// terms cancel on the way.
#pragma once
#include "simd.h"

typedef int64_t vl __attribute__((vector_size(8 * LANES)));

INLINE vd widen(vf x) { return __builtin_convertvector(x, vd); }
INLINE vf narrow(vd x) { return __builtin_convertvector(x, vf); }
INLINE vd splat_double(double x) { return x - (vd){0}; }
INLINE vd vselect_double(vl mask, vd a, vd b) { return (vd)((mask & (vl)a) | (~mask & (vl)b)); }
INLINE vd vabs_double(vd x) { return (vd)((vl)x & 0x7fffffffffffffff); }

// Adding it rounds to an integer, which then stands in the low bits: 1.5 · 2⁵².
#define ROUNDER 6755399441055744.0

// These are out of line: long beside what a call costs, and used in many places.
#define FUNCTION static __attribute__((noinline, unused))

// eˣ within 1e-11, for |x| ≤ 300: beyond that a float32 is 0 or ∞ anyway, and x counts as ±300. NaN stays NaN.
FUNCTION vd exp_double(vd x) {
  const vl lost = x != x; // by itself: relaxed SIMD may clamp a NaN to either end
  x = vselect_double(x < -300, splat_double(-300), x);
  x = vselect_double(x > 300, splat_double(300), x);
  const vd shifted = x * 1.4426950408889634 + ROUNDER, n = shifted - ROUNDER;
  const vd r = x - n * 0.6931471805599453; // |r| ≤ ln 2 / 2, off by 6e-14 at most
  vd p = splat_double(1.0 / 362880);
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  return vselect_double(lost, splat_double(__builtin_nan("")), p * (vd)(((vl)shifted - (vl)splat_double(ROUNDER) + 1023) << 52));
}

// eˣ − 1: for small x without the cancellation
INLINE vd expm1_double(vd x) { return vselect_double(vabs_double(x) < 1e-8, x, exp_double(x) - 1.0); }

// 2 atanh s within 1e-10, for |s| ≤ 1/3
FUNCTION vd twice_atanh(vd s) {
  const vd q = s * s;
  vd series = splat_double(1.0 / 17);
  series = series * q + 1.0 / 15;
  series = series * q + 1.0 / 13;
  series = series * q + 1.0 / 11;
  series = series * q + 1.0 / 9;
  series = series * q + 1.0 / 7;
  series = series * q + 1.0 / 5;
  series = series * q + 1.0 / 3;
  series = series * q + 1.0;
  return 2.0 * s * series;
}

// ln(1 + z) for 0 ≤ z ≤ 1
INLINE vd log1p_double(vd z) { return twice_atanh(z / (2.0 + z)); }

// ln x, denormals included; −∞ for 0, NaN below.
FUNCTION vd log_double(vf x) {
  const vi denormal = x < 1.17549435e-38f;
  const vi bits = (vi)vselect(denormal, x * 8388608.0f, x);
  const vi exponent = (bits - 0x3f3504f3) >> 23; // 0x3f3504f3 is √½: the rest, m, lies in [√½, √2)
  const vd m = widen((vf)(bits - (exponent << 23))), wide = widen(x);
  const vd result = __builtin_convertvector(exponent - (denormal & 23), vd) * 0.6931471805599453 + twice_atanh((m - 1.0) / (m + 1.0));
  const vd below = vselect_double(wide < 0, splat_double(__builtin_nan("")), splat_double(-__builtin_inf()));
  return vselect_double(wide <= 0, below, vselect_double(wide < __builtin_inf(), result, wide));
}

// Whole numbers of magnitude ≥ 2²³ stay; the others lose their fraction, rounded to nearest, ties to even.
INLINE vf vround(vf x) {
  const vi sign = (vi)x & (int32_t)0x80000000;
  const vf magnitude = (vf)((vi)x & 0x7fffffff), rounded = magnitude + 8388608.0f - 8388608.0f;
  return vselect(magnitude < 8388608.0f, (vf)((vi)rounded | sign), x);
}
INLINE vf vfloor(vf x) {
  const vf rounded = vround(x);
  return rounded - vselect(rounded > x, splat(1), splat(0));
}

// x to the power y; NaN where x < 0 is finite and y is not whole.
FUNCTION vf vpow(vf x, vf y) {
  const vf half = y * 0.5f, nan = splat(__builtin_nanf(""));
  const vi whole = vfloor(y) == y, odd = whole & (vfloor(half) != half);
  const vf magnitude = (vf)((vi)x & 0x7fffffff);
  const vf power = narrow(exp_double(widen(y) * log_double(magnitude)));
  const vf signed_power = (vf)((vi)power | ((vi)x & odd & (int32_t)0x80000000));
  const vf one = vselect(((magnitude == 1) & (whole | (x > 0))) | (y == 0), splat(1), signed_power);
  const vf result = vselect((magnitude == 1) & odd & (x < 0), splat(-1), one);
  return vselect((x < 0) & (magnitude < __builtin_inff()) & ~whole, nan, result);
}

// erfc t for t ≥ 0, within 5e-10 of its size: e^(−t²) times a polynomial in 1 / (1 + 0.37 t), fitted to erfcx on [0, 11].
FUNCTION vd erfc_double(vd t) {
  const vd u = 1.0 / (1.0 + 0.37 * t);
  vd p = splat_double(-0.0315189613545);
  p = p * u + 0.194950740423;
  p = p * u - 0.467350777736;
  p = p * u + 0.525938253992;
  p = p * u - 0.341990918324;
  p = p * u + 0.266065402516;
  p = p * u + 0.0639479280533;
  p = p * u + 0.179864496021;
  p = p * u + 0.192428041857;
  p = p * u + 0.208922058703;
  p = p * u + 0.20874373629;
  return p * u * exp_double(-t * t);
}
