// The micro-kernels of integer convolutions: as conv_micro.h, but inputs and weights are words of 4 bytes or 2 int16.
#pragma once
#include "conv_micro.h"
#include "u8_simd.h"

// Only ever a local variable: it lives in registers.
typedef struct {
  vu at[MICRO_ROWS][MICRO_VECTORS];
} word_sums;

INLINE void words_zero(word_sums *sums, const int rows, const int vectors) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] = (vu){0};
  }
}

INLINE void words_load(word_sums *sums, const int rows, const int vectors, const int32_t *from) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] = (vu)load_words(from + r * PANEL + v * LANES);
  }
}

INLINE void words_store(const word_sums *sums, const int rows, const int vectors, int32_t *to) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) store_words(to + r * PANEL + v * LANES, (vi)sums->at[r][v]);
  }
}

// One step of depth: an input of each row times one row of a panel; bytes: as add_bytes has them, else pairs of int16.
INLINE void word_step(word_sums *sums, const int rows, const int vectors, const int bytes, const int32_t *const inputs[MICRO_ROWS],
                      long k, const int8_t *panel_row) {
  vi weights[MICRO_VECTORS];
  UNROLL
  for (int v = 0; v < vectors; v++)
    weights[v] = bytes ? load_byte_weights(panel_row + v * LANES * BYTE_STEP) : load_words((const int32_t *)panel_row + v * LANES);
  UNROLL
  for (int r = 0; r < rows; r++) {
    const vi input = splat_word(inputs[r][k]);
    UNROLL
    for (int v = 0; v < vectors; v++)
      sums->at[r][v] = bytes ? add_bytes(sums->at[r][v], input, weights[v]) : add_pairs(sums->at[r][v], input, weights[v]);
  }
}

// sums += Σ_k inputs[·][k] · b[k·PANEL + ·]
INLINE void word_product(word_sums *sums, const int rows, const int vectors, const int bytes, const int prefetch,
                         const int32_t *const inputs[MICRO_ROWS], const int8_t *b, int depth, micro_ahead ahead) {
  const float *next = (const float *)b + ahead.offset;
  NO_UNROLL
  for (int k = 0; k < depth; k++, b += PANEL * (bytes ? BYTE_STEP : 4), next += ahead.step) {
    if (prefetch) micro_prefetch(next, ahead.step, 0);
    word_step(sums, rows, vectors, bytes, inputs, k, b);
  }
}

// One micro-tile whose rows are found tap by tap: sums [rows][PANEL]
INLINE void word_taps_of(const int rows, const int vectors, const int prefetch, const micro_tap *tap, int taps, const int32_t *panel,
                         int depth, micro_ahead ahead, int32_t *sums) {
  word_sums s;
  words_zero(&s, rows, vectors);
  for (const micro_tap *end = tap + taps; tap < end; tap++) {
    const int32_t *inputs[MICRO_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) inputs[r] = (const int32_t *)tap->row[r];
    word_product(&s, rows, vectors, 1, prefetch, inputs, (const int8_t *)(panel + tap->weights), depth, ahead);
  }
  words_store(&s, rows, vectors, sums);
}
NOINLINE static void word_taps_whole(const micro_tap *tap, int taps, const int32_t *panel, int depth, micro_ahead ahead,
                                     int32_t *sums) {
  word_taps_of(MICRO_ROWS, MICRO_VECTORS, 1, tap, taps, panel, depth, ahead, sums);
}
NOINLINE static void word_taps_cached(const micro_tap *tap, int taps, const int32_t *panel, int depth, int32_t *sums) {
  word_taps_of(MICRO_ROWS, MICRO_VECTORS, 0, tap, taps, panel, depth, nothing_ahead, sums);
}
NOINLINE static void word_taps_few(const micro_tap *tap, int taps, const int32_t *panel, int depth, int32_t *sums) {
  word_taps_of(FEW_ROWS, MICRO_VECTORS, 0, tap, taps, panel, depth, nothing_ahead, sums);
}
NOINLINE static void word_taps_narrow(const micro_tap *tap, int taps, const int32_t *panel, int depth, int32_t *sums) {
  word_taps_of(MICRO_ROWS, HALF_VECTORS, 0, tap, taps, panel, depth, nothing_ahead, sums);
}

// The first `rows` and `columns` at least.
INLINE void word_taps(const micro_tap *tap, int taps, int rows, const int32_t *panel, int depth, int columns, micro_ahead ahead,
                      int32_t *sums) {
  if (columns <= HALF_PANEL) word_taps_narrow(tap, taps, panel, depth, sums);
  else if (are_few(rows)) word_taps_few(tap, taps, panel, depth, sums);
  else if (ahead.step == 0 || !MICRO_PREFETCH) word_taps_cached(tap, taps, panel, depth, sums);
  else word_taps_whole(tap, taps, panel, depth, ahead, sums);
}

INLINE void word_rows_of(const int rows, const int vectors, const int bytes, const int prefetch, const int32_t *a, long row_words,
                         const int32_t *b, int depth, micro_ahead ahead, int add, int32_t *sums) {
  const int32_t *inputs[MICRO_ROWS];
  UNROLL
  for (int r = 0; r < rows; r++) inputs[r] = a + r * row_words;
  word_sums s;
  if (add) words_load(&s, rows, vectors, sums);
  else words_zero(&s, rows, vectors);
  word_product(&s, rows, vectors, bytes, prefetch, inputs, (const int8_t *)b, depth, ahead);
  words_store(&s, rows, vectors, sums);
}

INLINE void word_all_rows(const int vectors, const int bytes, const int prefetch, const int32_t *a, long row_words, int rows,
                          const int32_t *b, long next, int depth, int add, int32_t *sums) {
  const int passes = (rows + MICRO_ROWS - 1) / MICRO_ROWS;
  NO_UNROLL
  for (int pass = 0; pass < passes; pass++, rows -= MICRO_ROWS, a += MICRO_ROWS * row_words, sums += MICRO_SIZE) {
    const micro_ahead ahead = prefetch && next ? ahead_of(next, depth, pass, passes, 0) : nothing_ahead;
    if (are_few(rows)) word_rows_of(FEW_ROWS, vectors, bytes, 0, a, row_words, b, depth, nothing_ahead, add, sums);
    else if (prefetch && ahead.step) word_rows_of(MICRO_ROWS, vectors, bytes, 1, a, row_words, b, depth, ahead, add, sums);
    else word_rows_of(MICRO_ROWS, vectors, bytes, 0, a, row_words, b, depth, nothing_ahead, add, sums);
  }
}
NOINLINE static void byte_rows_whole(const int32_t *a, long row_words, int rows, const int32_t *b, long next, int depth, int32_t *sums) {
  word_all_rows(MICRO_VECTORS, 1, MICRO_PREFETCH, a, row_words, rows, b, next, depth, 0, sums);
}
NOINLINE static void byte_rows_narrow(const int32_t *a, long row_words, int rows, const int32_t *b, int depth, int32_t *sums) {
  word_all_rows(HALF_VECTORS, 1, 0, a, row_words, rows, b, 0, depth, 0, sums);
}
NOINLINE static void pair_rows_whole(const int32_t *a, long row_words, int rows, const int32_t *b, int depth, int add, int32_t *sums) {
  word_all_rows(MICRO_VECTORS, 0, 0, a, row_words, rows, b, 0, depth, add, sums);
}
NOINLINE static void pair_rows_narrow(const int32_t *a, long row_words, int rows, const int32_t *b, int depth, int add, int32_t *sums) {
  word_all_rows(HALF_VECTORS, 0, 0, a, row_words, rows, b, 0, depth, add, sums);
}

// Rows `row_words` apart: sums [rows][PANEL], whole micro-tiles of them (inputs that are read for these must exist). Inputs and weights as
// add_bytes has them. next: words from b to the block that is multiplied next, which is asked for ahead; 0: nothing.
INLINE void byte_rows(const int32_t *a, long row_words, int rows, const int32_t *b, long next, int depth, int columns, int32_t *sums) {
  if (columns <= HALF_PANEL) byte_rows_narrow(a, row_words, rows, b, depth, sums);
  else byte_rows_whole(a, row_words, rows, b, next, depth, sums);
}
// The same with pairs of int16, of weights that are near; add: onto what the sums hold.
INLINE void pair_rows(const int32_t *a, long row_words, int rows, const int32_t *b, int depth, int columns, int add, int32_t *sums) {
  if (columns <= HALF_PANEL) pair_rows_narrow(a, row_words, rows, b, depth, add, sums);
  else pair_rows_whole(a, row_words, rows, b, depth, add, sums);
}
