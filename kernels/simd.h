// Vectors of LANES floats (GCC vector extensions): one source for every instruction set. LANES comes from the build.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef double vd __attribute__((vector_size(8 * LANES)));
typedef float vf_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint8_t vu8 __attribute__((vector_size(LANES)));
typedef uint8_t vu8_unaligned __attribute__((vector_size(LANES), aligned(1), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf v) { *(vf_unaligned *)p = v; }
INLINE vf splat(float x) { return x - (vf){0}; } // x − 0 is x, −0 included; x + 0 is not

// The first `count` lanes; the others are 0 (load) or left alone (store). With a constant count of LANES it is load/store;
// the rest is kept out of line, since it is rare and would blow up every loop; where the machine has masks, it is not.
#if LANES == 16 && defined(__AVX512F__)
INLINE __mmask16 first_lanes(int count) { return (__mmask16)((1u << (count < 0 ? 0 : count)) - 1); }
INLINE vf load_tail(const float *p, int count) { return (vf)_mm512_maskz_loadu_ps(first_lanes(count), p); }
INLINE void store_tail(float *p, vf v, int count) { _mm512_mask_storeu_ps(p, first_lanes(count), (__m512)v); }
#else
static __attribute__((noinline)) vf load_tail(const float *p, int count) {
  float lanes[LANES] = {0};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return load(lanes);
}
static __attribute__((noinline)) void store_tail(float *p, vf v, int count) {
  for (int i = 0; i < count; i++) p[i] = v[i];
}
#endif
INLINE vf load_lanes(const float *p, int count) { return count == LANES ? load(p) : load_tail(p, count); }
INLINE void store_lanes(float *p, vf v, int count) {
  if (count == LANES) store(p, v);
  else store_tail(p, v, count);
}

// Runs the statements for i = 0, LANES, …: whole vectors with `count` = LANES, then one vector of the `count` elements left.
#define FOR_VECTORS(i, count, n, ...)         \
  do {                                        \
    int i = 0;                                \
    for (; i <= (n)-LANES; i += LANES) {      \
      enum { count = LANES };                 \
      __VA_ARGS__                             \
    }                                         \
    if (i < (n)) {                            \
      const int count = (n)-i;                \
      __VA_ARGS__                             \
    }                                         \
  } while (0)

// Vectors of IEEE half-precision numbers, where the machine converts them: halves of packed weights (see conv_micro.h). Rounded to
// nearest, ties to even.
typedef uint16_t half;
#if LANES == 16 && defined(__AVX512F__)
#define HALF_WEIGHTS 1
INLINE vf load_halves(const half *p) { return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE void store_halves(half *p, vf v) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT)); }
#elif LANES == 8 && defined(__F16C__)
#define HALF_WEIGHTS 1
INLINE vf load_halves(const half *p) { return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE void store_halves(half *p, vf v) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT)); }
#elif LANES == 4 && defined(__aarch64__)
#define HALF_WEIGHTS 1
INLINE vf load_halves(const half *p) { return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
INLINE void store_halves(half *p, vf v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)v))); }
#else
#define HALF_WEIGHTS 0
INLINE vf load_halves(const half *p) { return (void)p, (vf){0}; } // never called: the backend says that it has none
INLINE void store_halves(half *p, vf v) { (void)p, (void)v; }
#endif

// mask lanes are all ones or all zeros, as comparisons give them.
INLINE vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

// a < b ? b : a. A NaN in a stays (in b it does not): clamp with the value as `a`, and lost values are seen.
INLINE vf vmax(vf a, vf b) {
#ifdef __wasm__
  return __builtin_wasm_pmax_f32x4(a, b);
#elif LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)b, (__m512)a); // of two operands, the second where either is NaN
#elif LANES == 8 && defined(__AVX__)
  return (vf)_mm256_max_ps((__m256)b, (__m256)a);
#elif LANES == 4 && defined(__SSE__)
  return (vf)_mm_max_ps((__m128)b, (__m128)a);
#else
  return vselect(a < b, b, a);
#endif
}
// b < a ? b : a, the same for NaN.
INLINE vf vmin(vf a, vf b) {
#ifdef __wasm__
  return __builtin_wasm_pmin_f32x4(a, b);
#elif LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_min_ps((__m512)b, (__m512)a);
#elif LANES == 8 && defined(__AVX__)
  return (vf)_mm256_min_ps((__m256)b, (__m256)a);
#elif LANES == 4 && defined(__SSE__)
  return (vf)_mm_min_ps((__m128)b, (__m128)a);
#else
  return vselect(b < a, b, a);
#endif
}

INLINE vf vsqrt(vf x) {
#ifdef __wasm__
  return __builtin_wasm_sqrt_f32x4(x);
#elif LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif LANES == 8 && defined(__AVX__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#else
  vf y;
  for (int i = 0; i < LANES; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

// Lanes in order, always the same order.
INLINE float sum_lanes(vf v) {
  float sum = v[0];
  for (int i = 1; i < LANES; i++) sum += v[i];
  return sum;
}
INLINE float max_lanes(vf v) {
  float max = v[0];
  for (int i = 1; i < LANES; i++) max = max < v[i] ? v[i] : max;
  return max;
}

INLINE int min_int(int a, int b) { return a < b ? a : b; }
INLINE int ceil_div(int n, int d) { return n / d + (n % d != 0); }
