// The micro-kernels that all convolutions share: MICRO_ROWS rows × PANEL columns of results, in registers. The build chooses
// the tile: LANES = 4 has 4 × 2 vectors, wider ones what their registers hold (scripts/kernel-variants.mjs).
//
// WebAssembly: a loop body holds at most 15 live vectors (8 accumulators, 2 weights, 4 + 1 inputs) and is not unrolled:
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
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { PANEL = MICRO_VECTORS * LANES, MICRO_SIZE = MICRO_ROWS * PANEL };

_Static_assert(LANES % MICRO_ROWS == 0, "transformed inputs are read MICRO_ROWS at a time out of vectors");

// A kernel tap as a micro-tile sees it: where the inputs of its rows begin, and the offset of its weights in a panel.
typedef struct {
  const float *row[MICRO_ROWS];
  int weights;
} micro_tap;

// The sums of a micro-tile. Only ever a local variable, used through the functions below: so it lives in registers.
// `rows` and `vectors` are constants wherever these are used: all of a micro-tile's, or half of them where no more are wanted.
typedef struct {
  vf at[MICRO_ROWS][MICRO_VECTORS];
} micro_sums;

enum { HALF_VECTORS = MICRO_VECTORS / 2, HALF_PANEL = HALF_VECTORS * LANES };

// Where a micro-tile is high and few of its rows are wanted, half of them are made: 4 rows × 2 vectors still keep two multiply-add
// units busy that need 4 cycles.
enum { FEW_ROWS = MICRO_ROWS > 4 ? MICRO_ROWS / 2 : MICRO_ROWS };

// Weights come from far away, each once, and then serve all rows of a task: while the last rows are multiplied by one block
// of weights, the next block is asked for. Prefetches never fault, so a "next block" need not exist.
typedef struct {
  long offset; // of the first words that are asked for, from the weights that are multiplied
  int step;    // words from one step of depth to the next
} micro_ahead;

// Packed weights are floats or, where the caller says so and the build can (HALF_WEIGHTS), halves: half the memory to read. Addresses
// stay those of floats; `number` counts weights.
INLINE const float *weights_at(const float *packed, long number, const int halves) {
  return halves ? (const float *)((const half *)packed + number) : packed + number;
}
INLINE vf load_weights(const float *at, const int halves) { return halves ? load_halves((const half *)at) : load(at); }
INLINE void store_weights(float *packed, long number, vf v, const int halves) {
  if (halves) store_halves((half *)packed + number, v);
  else store(packed + number, v);
}
// Words of so many weights.
INLINE long weight_words(long number, const int halves) { return halves ? number / 2 : number; }

static const micro_ahead nothing_ahead = {0, 0};

// What pass number `pass` of `passes` over a block of weights [depth][PANEL] asks for of the block `next` weights further on:
// as many passes share it as a row has cache lines.
INLINE micro_ahead ahead_of(long next, int depth, int pass, int passes, const int halves) {
  const int row = weight_words(PANEL, halves), lines = row > 16 ? row / 16 : 1;
  const int parts = passes < lines ? passes : lines, part = pass - (passes - parts);
  if (part < 0) return nothing_ahead;
  return (micro_ahead){weight_words(next, halves) + (long)part * depth * row / parts, row / parts};
}

// WebAssembly knows no prefetch. A step of 0 asks for nothing: the functions below have a version without for it.
#ifdef __wasm__
enum { MICRO_PREFETCH = 0 };
#else
enum { MICRO_PREFETCH = 1 };
#endif

INLINE void micro_prefetch(const float *at, int step, const int halves) {
  __builtin_prefetch(at, 0, 2);
  if (weight_words(PANEL, halves) > 16) __builtin_prefetch(at + step / 2, 0, 2);
}

INLINE void micro_zero(micro_sums *sums, const int rows, const int vectors) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] = splat(0);
  }
}

INLINE void micro_load(micro_sums *sums, const int rows, const int vectors, const float *from) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] = load(from + r * PANEL + v * LANES);
  }
}

INLINE void micro_store(const micro_sums *sums, const int rows, const int vectors, float *to) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) store(to + r * PANEL + v * LANES, sums->at[r][v]);
  }
}

INLINE void micro_add(const micro_sums *sums, const int vectors, float *to) {
  UNROLL
  for (int r = 0; r < MICRO_ROWS; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) {
      float *at = to + r * PANEL + v * LANES;
      store(at, load(at) + sums->at[r][v]);
    }
  }
}

// One step of depth: an input of each row times one row of a panel.
INLINE void micro_step(micro_sums *sums, const int rows, const int vectors, const int halves, const float *const inputs[MICRO_ROWS],
                       long k, const float *panel_row) {
  vf weights[MICRO_VECTORS];
  UNROLL
  for (int v = 0; v < vectors; v++) weights[v] = load_weights(weights_at(panel_row, v * LANES, halves), halves);
  UNROLL
  for (int r = 0; r < rows; r++) {
    const vf input = splat(inputs[r][k]);
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] += input * weights[v];
  }
}

// sums += Σ_k inputs[·][k] · b[k·PANEL + ·]
INLINE void micro_product(micro_sums *sums, const int rows, const int vectors, const int halves, const int prefetch,
                          const float *const inputs[MICRO_ROWS], const float *b, int depth, micro_ahead ahead) {
  const float *next = b + ahead.offset;
  NO_UNROLL
  for (int k = 0; k < depth; k++, b = weights_at(b, PANEL, halves), next += ahead.step) {
    if (prefetch) micro_prefetch(next, ahead.step, halves);
    micro_step(sums, rows, vectors, halves, inputs, k, b);
  }
}

INLINE void sum_taps(const int rows, const int vectors, const int halves, const int prefetch, const micro_tap *tap, int taps,
                     const float *panel, int depth, micro_ahead ahead, float *sums) {
  micro_sums s;
  micro_zero(&s, rows, vectors);
  for (const micro_tap *end = tap + taps; tap < end; tap++) {
    const float *inputs[MICRO_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) inputs[r] = tap->row[r];
    micro_product(&s, rows, vectors, halves, prefetch, inputs, weights_at(panel, tap->weights, halves), depth, ahead);
  }
  micro_store(&s, rows, vectors, sums);
}
NOINLINE static void sum_taps_whole(const micro_tap *tap, int taps, const float *panel, int depth, micro_ahead ahead,
                                   float *sums) {
  sum_taps(MICRO_ROWS, MICRO_VECTORS, 0, 1, tap, taps, panel, depth, ahead, sums);
}
NOINLINE static void sum_taps_few(const micro_tap *tap, int taps, const float *panel, int depth, micro_ahead ahead,
                                 float *sums) {
  sum_taps(FEW_ROWS, MICRO_VECTORS, 0, 1, tap, taps, panel, depth, ahead, sums);
}
NOINLINE static void sum_taps_cached(const micro_tap *tap, int taps, const float *panel, int depth, float *sums) {
  sum_taps(MICRO_ROWS, MICRO_VECTORS, 0, 0, tap, taps, panel, depth, nothing_ahead, sums);
}
NOINLINE static void sum_taps_narrow(const micro_tap *tap, int taps, const float *panel, int depth, float *sums) {
  sum_taps(MICRO_ROWS, HALF_VECTORS, 0, 0, tap, taps, panel, depth, nothing_ahead, sums);
}
NOINLINE static void sum_taps_of_halves(const micro_tap *tap, int taps, const float *panel, int depth, micro_ahead ahead,
                                       float *sums) {
  sum_taps(MICRO_ROWS, MICRO_VECTORS, 1, 1, tap, taps, panel, depth, ahead, sums);
}

INLINE int are_few(int rows) { return FEW_ROWS < MICRO_ROWS && rows <= FEW_ROWS; }

// sums [MICRO_ROWS][PANEL] = Σ_taps Σ_k row[·][k] · panel[weights + k·PANEL + ·], the first `rows` and `columns` at least
INLINE void micro_taps(const micro_tap *tap, int taps, int rows, const float *panel, int halves, int depth, int columns,
                       micro_ahead ahead, float *sums) {
  if (HALF_WEIGHTS && halves) sum_taps_of_halves(tap, taps, panel, depth, ahead, sums);
  else if (columns <= HALF_PANEL) sum_taps_narrow(tap, taps, panel, depth, sums);
  else if (are_few(rows)) sum_taps_few(tap, taps, panel, depth, ahead, sums);
  else if (ahead.step == 0 || !MICRO_PREFETCH) sum_taps_cached(tap, taps, panel, depth, sums);
  else sum_taps_whole(tap, taps, panel, depth, ahead, sums);
}

INLINE void sum_rows_of(const int rows, const int vectors, const int halves, const int prefetch, const float *a, long row_words,
                        const float *b, int depth, micro_ahead ahead, int add, float *sums) {
  const float *inputs[MICRO_ROWS];
  UNROLL
  for (int r = 0; r < rows; r++) inputs[r] = a + r * row_words;
  micro_sums s;
  if (add) micro_load(&s, rows, vectors, sums);
  else micro_zero(&s, rows, vectors);
  micro_product(&s, rows, vectors, halves, prefetch, inputs, b, depth, ahead);
  micro_store(&s, rows, vectors, sums);
}

// What V8 does around a call takes as long as 25 steps of depth: so all rows are one call's.
INLINE void sum_all_rows(const int vectors, const int halves, const int prefetch, const float *a, long row_words, int rows,
                         const float *b, long next, int depth, int add, float *sums) {
  const int passes = (rows + MICRO_ROWS - 1) / MICRO_ROWS;
  NO_UNROLL
  for (int pass = 0; pass < passes; pass++, rows -= MICRO_ROWS, a += MICRO_ROWS * row_words, sums += MICRO_SIZE) {
    const micro_ahead ahead = prefetch && next ? ahead_of(next, depth, pass, passes, halves) : nothing_ahead;
    if (are_few(rows)) sum_rows_of(FEW_ROWS, vectors, halves, prefetch, a, row_words, b, depth, ahead, add, sums);
    else if (prefetch && ahead.step) sum_rows_of(MICRO_ROWS, vectors, halves, 1, a, row_words, b, depth, ahead, add, sums);
    else sum_rows_of(MICRO_ROWS, vectors, halves, 0, a, row_words, b, depth, ahead, add, sums);
  }
}
NOINLINE static void sum_rows_whole(const float *a, long row_words, int rows, const float *b, long next, int depth, int add,
                                   float *sums) {
  sum_all_rows(MICRO_VECTORS, 0, MICRO_PREFETCH, a, row_words, rows, b, next, depth, add, sums);
}
NOINLINE static void sum_rows_narrow(const float *a, long row_words, int rows, const float *b, int depth, int add, float *sums) {
  sum_all_rows(HALF_VECTORS, 0, 0, a, row_words, rows, b, 0, depth, add, sums);
}
NOINLINE static void sum_rows_of_halves(const float *a, long row_words, int rows, const float *b, long next, int depth, int add,
                                       float *sums) {
  sum_all_rows(MICRO_VECTORS, 1, MICRO_PREFETCH, a, row_words, rows, b, next, depth, add, sums);
}

// The same with one tap, for any number of rows, whose inputs are `row_words` apart: sums [rows][PANEL], whole micro-tiles of them
// (inputs that are read for these must exist). next: weights from b to the block that is multiplied next, which is asked for ahead; 0: nothing.
// add: onto what the sums hold.
INLINE void micro_rows(const float *a, long row_words, int rows, const float *b, int halves, long next, int depth, int columns,
                       int add, float *sums) {
  if (HALF_WEIGHTS && halves) sum_rows_of_halves(a, row_words, rows, b, next, depth, add, sums);
  else if (columns <= HALF_PANEL) sum_rows_narrow(a, row_words, rows, b, depth, add, sums);
  else sum_rows_whole(a, row_words, rows, b, next, depth, add, sums);
}

// Positions in a row of packed inputs [positions][MICRO_ROWS] and packed output gradients [positions][PANEL]: the offsets
// of the first, and how many.
typedef struct {
  int x, dy, count;
} micro_segment;

INLINE void sum_columns(const int vectors, const micro_segment *s, int segments, const float *x, int x_step,
                        const float *dy, float *sums) {
  micro_sums total;
  micro_zero(&total, MICRO_ROWS, vectors);
  for (const micro_segment *end = s + segments; s < end; s++) {
    const float *a = x + s->x, *b = dy + s->dy;
    NO_UNROLL
    for (int k = s->count; k > 0; k--, a += x_step, b += PANEL) {
      const float *rows[MICRO_ROWS];
      UNROLL
      for (int r = 0; r < MICRO_ROWS; r++) rows[r] = a + r;
      micro_step(&total, MICRO_ROWS, vectors, 0, rows, 0, b);
    }
  }
  micro_add(&total, vectors, sums);
}

// sums [panels][MICRO_ROWS][PANEL] += Σ_positions x[position][·] · dy[position][·] for so many columns, whose panels are `dy_words` apart;
// inputs are x_step words apart. Of the last panel the `columns` that are left at least.
NOINLINE static void micro_columns(const micro_segment *s, int segments, const float *x, int x_step, const float *dy, long dy_words,
                                   int columns, float *sums) {
  for (; columns > HALF_PANEL; columns -= PANEL, dy += dy_words, sums += MICRO_SIZE)
    sum_columns(MICRO_VECTORS, s, segments, x, x_step, dy, sums);
  if (columns > 0) sum_columns(HALF_VECTORS, s, segments, x, x_step, dy, sums);
}
