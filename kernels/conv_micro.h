// The micro-kernels that all convolutions share: 4 rows × PANEL columns of results in 8 vectors.
//
// A loop body holds at most 15 live vectors at LANES = 4 (8 accumulators, 2 weights, 4 + 1 inputs) and is not unrolled:
// V8 hoists the loads of a loop body above its arithmetic, and beyond 15 registers it spills (measured: 52 GFLOP/s a
// core as it stands, 25 to 32 unrolled by 2 or with 6 rows).
#pragma once
#include "simd.h"

#define NOINLINE __attribute__((noinline, unused))
#ifdef __clang__
#define NO_UNROLL _Pragma("clang loop unroll(disable)")
#define UNROLL _Pragma("clang loop unroll(full)") // clang for WebAssembly leaves even loops of 6 alone
#else
#define NO_UNROLL _Pragma("GCC unroll 1")
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum { MICRO_ROWS = 4, PANEL = 2 * LANES, MICRO_SIZE = MICRO_ROWS * PANEL };

// A kernel tap as a micro-tile sees it: where the inputs of its rows begin, and the offset of its weights in a panel.
typedef struct {
  const float *row[MICRO_ROWS];
  int weights;
} micro_tap;

// The eight sums of a micro-tile.
#define MICRO_SUMS vf c00, c01, c10, c11, c20, c21, c30, c31

#define MICRO_ZERO c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = splat(0)

#define MICRO_STORE(t)                                                                        \
  store(t, c00), store(t + LANES, c01);                                                 \
  store(t + PANEL, c10), store(t + PANEL + LANES, c11);                                 \
  store(t + 2 * PANEL, c20), store(t + 2 * PANEL + LANES, c21);                         \
  store(t + 3 * PANEL, c30), store(t + 3 * PANEL + LANES, c31)

#define MICRO_ADD(t)                                                                          \
  c00 += load(t), c01 += load(t + LANES);                                                     \
  c10 += load(t + PANEL), c11 += load(t + PANEL + LANES);                                     \
  c20 += load(t + 2 * PANEL), c21 += load(t + 2 * PANEL + LANES);                             \
  c30 += load(t + 3 * PANEL), c31 += load(t + 3 * PANEL + LANES);                             \
  MICRO_STORE(t)

// One step of depth: four inputs times one row of a panel.
#define MICRO_STEP(a0, a1, a2, a3, b)                                                         \
  do {                                                                                        \
    const vf b0 = load(b), b1 = load((b) + LANES);                                      \
    const vf x0 = splat(a0), x1 = splat(a1), x2 = splat(a2), x3 = splat(a3);      \
    c00 += x0 * b0, c01 += x0 * b1;                                                           \
    c10 += x1 * b0, c11 += x1 * b1;                                                           \
    c20 += x2 * b0, c21 += x2 * b1;                                                           \
    c30 += x3 * b0, c31 += x3 * b1;                                                           \
  } while (0)

// sums [4][PANEL] = Σ_taps Σ_k row[·][k] · panel[weights + k·PANEL + ·]
NOINLINE static void micro_taps(const micro_tap *tap, int taps, const float *panel, int depth, float *sums) {
  MICRO_SUMS;
  MICRO_ZERO;
  for (const micro_tap *end = tap + taps; tap < end; tap++) {
    const float *a0 = tap->row[0], *a1 = tap->row[1], *a2 = tap->row[2], *a3 = tap->row[3];
    const float *b = panel + tap->weights;
    NO_UNROLL
    for (int k = 0; k < depth; k++, b += PANEL) MICRO_STEP(a0[k], a1[k], a2[k], a3[k], b);
  }
  MICRO_STORE(sums);
}

// The same with one tap, rows `row_words` apart.
NOINLINE static void micro_rows(const float *a, long row_words, const float *b, int depth, float *sums) {
  const float *a0 = a, *a1 = a + row_words, *a2 = a1 + row_words, *a3 = a2 + row_words;
  MICRO_SUMS;
  MICRO_ZERO;
  NO_UNROLL
  for (int k = 0; k < depth; k++, b += PANEL) MICRO_STEP(a0[k], a1[k], a2[k], a3[k], b);
  MICRO_STORE(sums);
}

// Positions in a row of packed inputs [positions][MICRO_ROWS] and packed output gradients [positions][PANEL]: the offsets
// of the first, and how many.
typedef struct {
  int x, dy, count;
} micro_segment;

// sums [MICRO_ROWS][PANEL] += Σ_positions x[position][·] · dy[position][·]; inputs are x_step words apart.
NOINLINE static void micro_columns(const micro_segment *s, int segments, const float *x, int x_step, const float *dy,
                                   float *sums) {
  MICRO_SUMS;
  MICRO_ZERO;
  for (const micro_segment *end = s + segments; s < end; s++) {
    const float *a = x + s->x, *b = dy + s->dy;
    NO_UNROLL
    for (int k = s->count; k > 0; k--, a += x_step, b += PANEL) MICRO_STEP(a[0], a[1], a[2], a[3], b);
  }
  MICRO_ADD(sums);
}
