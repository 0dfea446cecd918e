// Vectors of integers: what the kernels of integer nets have beside simd.h.
//
// A word holds 4 bytes (uint8 inputs, int8 weights) or a pair of int16. Sums are int32 that wrap: they are kept as unsigned numbers.
#pragma once
#include "simd.h"

typedef uint32_t vu __attribute__((vector_size(4 * LANES)));
typedef int32_t vi_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int16_t vs __attribute__((vector_size(4 * LANES)));
typedef int16_t vs_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int8_t vs8 __attribute__((vector_size(LANES)));
typedef int8_t vs8_unaligned __attribute__((vector_size(LANES), aligned(1), may_alias));
// Twice as many bytes: as many as a vector has int16.
typedef uint8_t vu8x2 __attribute__((vector_size(2 * LANES)));
typedef uint8_t vu8x2_unaligned __attribute__((vector_size(2 * LANES), aligned(1), may_alias));

typedef int8_t vs8x2 __attribute__((vector_size(2 * LANES)));
typedef int8_t vs8x2_unaligned __attribute__((vector_size(2 * LANES), aligned(1), may_alias));

INLINE vi load_words(const int32_t *p) { return *(const vi_unaligned *)p; }
INLINE void store_words(int32_t *p, vi v) { *(vi_unaligned *)p = v; }
INLINE vi splat_word(int32_t x) { return x - (vi){0}; }

// Bytes as numbers; the first `count`, the others are 0.
INLINE vi load_bytes(const uint8_t *p, int count) {
  if (count == LANES) return __builtin_convertvector(*(const vu8_unaligned *)p, vi);
  uint8_t lanes[LANES] = {0};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return __builtin_convertvector(*(const vu8_unaligned *)lanes, vi);
}
INLINE vi load_signed_bytes(const int8_t *p, int count) {
  if (count == LANES) return __builtin_convertvector(*(const vs8_unaligned *)p, vi);
  int8_t lanes[LANES] = {0};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return __builtin_convertvector(*(const vs8_unaligned *)lanes, vi);
}
INLINE void store_bytes(uint8_t *p, vi v, int count) {
  const vu8 bytes = __builtin_convertvector(v, vu8);
  if (count == LANES) *(vu8_unaligned *)p = bytes;
  else
    for (int i = 0; i < count; i++) p[i] = bytes[i];
}
INLINE vi load_int_lanes(const int32_t *p, int count) { return (vi)load_lanes((const float *)p, count); }

// Numbers to whole ones between −2²² and 2²², ties to even: what is added leaves no bits behind the point. `v` must lie there.
INLINE vi round_lanes(vf v) { return (vi)(v + splat(12582912.0f)) - splat_word(0x4b400000); }

// zero + v, rounded, as a byte of low … high; NaN is low.
INLINE vi to_byte_lanes(vf v, vf low, vf high, vi zero) {
  v = vmin(high, vmax(low, v)); // of vmax the second operand is the one that is left out where it is NaN
  return round_lanes(v) + zero;
}

// sums + Σ of a word's pair of products: int16 · int16.
INLINE vu add_pairs(vu sums, vi x, vi w) {
#if LANES == 16 && defined(__AVX512VNNI__)
  return (vu)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)x, (__m512i)w);
#elif LANES == 16 && defined(__AVX512BW__)
  return sums + (vu)_mm512_madd_epi16((__m512i)x, (__m512i)w);
#elif LANES == 8 && defined(__AVXVNNI__)
  return (vu)_mm256_dpwssd_avx_epi32((__m256i)sums, (__m256i)x, (__m256i)w);
#elif LANES == 8 && defined(__AVX2__)
  return sums + (vu)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#elif LANES == 4 && defined(__SSE2__)
  return sums + (vu)_mm_madd_epi16((__m128i)x, (__m128i)w);
#elif defined(__wasm__)
  return sums + (vu)__builtin_wasm_dot_s_i32x4_i16x8((vs)x, (vs)w);
#elif LANES == 4 && defined(__aarch64__)
  const int16x8_t a = (int16x8_t)x, b = (int16x8_t)w;
  return sums + (vu)vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
#else
  return sums + (vu)((x << 16 >> 16) * (w << 16 >> 16)) + (vu)((x >> 16) * (w >> 16));
#endif
}

// Products of bytes: four at once where there is an instruction for it (BYTE_PRODUCTS). Elsewhere inputs are widened to pairs of int16 before
// (widen_bytes), and int8 weights as they are loaded, pair by pair.
#if (LANES == 16 && defined(__AVX512VNNI__)) || (LANES == 8 && defined(__AVXVNNI__))
#define BYTE_PRODUCTS 1
INLINE vi load_byte_weights(const int8_t *p) { return load_words((const int32_t *)p); }
INLINE vu add_bytes(vu sums, vi x, vi w) {
#if LANES == 16
  return (vu)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)x, (__m512i)w);
#else
  return (vu)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)x, (__m256i)w);
#endif
}
#else
#define BYTE_PRODUCTS 0
INLINE vi load_byte_weights(const int8_t *p) { return (vi)__builtin_convertvector(*(const vs8x2_unaligned *)p, vs); }
INLINE vu add_bytes(vu sums, vi x, vi w) {
#if LANES == 4 && defined(__aarch64__)
  return (vu)vpadalq_s16((int32x4_t)sums, vmulq_s16((int16x8_t)x, (int16x8_t)w)); // at most 255 · 128: it fits int16
#else
  return add_pairs(sums, x, w);
#endif
}
#endif

// Bytes that an input of add_bytes has, and inputs of them in a word of 4 bytes.
enum { BYTE_STEP = BYTE_PRODUCTS ? 4 : 2, BYTE_STEPS = 4 / BYTE_STEP };

// Words of 4 bytes as inputs of add_bytes: BYTE_STEPS times as many.
INLINE void widen_bytes(const uint8_t *from, int words, int32_t *to) {
#if BYTE_PRODUCTS
  for (int i = 0; i < words; i++) __builtin_memcpy(to + i, from + 4 * i, 4);
#else
  for (; words >= LANES / 2; words -= LANES / 2, from += 2 * LANES, to += LANES)
    store_words(to, (vi)__builtin_convertvector(*(const vu8x2_unaligned *)from, vs));
  for (; words > 0; words--, from += 4, to += 2) {
    to[0] = from[0] | from[1] << 16;
    to[1] = from[2] | from[3] << 16;
  }
#endif
}

// Bytes of so many channels, filled up to whole words.
INLINE int row_words_of(int channels) { return ceil_div(channels, 4); }
INLINE int row_bytes_of(int channels) { return row_words_of(channels) * 4; }
