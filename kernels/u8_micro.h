// The micro-kernels of integer convolutions: as conv_micro.h, but an input is a word of 4 bytes or 2 int16, and so is a weight.
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

INLINE void words_store(const word_sums *sums, const int rows, const int vectors, int32_t *to) {
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) store_words(to + r * PANEL + v * LANES, (vi)sums->at[r][v]);
  }
}

// One step of depth: a word of each row times one row of a panel.
INLINE void quad_step(word_sums *sums, const int rows, const int vectors, const int32_t *const inputs[MICRO_ROWS], long k,
                      const int32_t *panel_row) {
  byte_operand weights[MICRO_VECTORS];
  UNROLL
  for (int v = 0; v < vectors; v++) weights[v] = weight_bytes(load_words(panel_row + v * LANES));
  UNROLL
  for (int r = 0; r < rows; r++) {
    const byte_operand input = input_bytes(splat_word(inputs[r][k]));
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] = add_quads(sums->at[r][v], input, weights[v]);
  }
}
INLINE void pair_step(word_sums *sums, const int rows, const int vectors, const int32_t *const inputs[MICRO_ROWS], long k,
                      const int32_t *panel_row) {
  vi weights[MICRO_VECTORS];
  UNROLL
  for (int v = 0; v < vectors; v++) weights[v] = load_words(panel_row + v * LANES);
  UNROLL
  for (int r = 0; r < rows; r++) {
    const vi input = splat_word(inputs[r][k]);
    UNROLL
    for (int v = 0; v < vectors; v++) sums->at[r][v] = add_pairs(sums->at[r][v], input, weights[v]);
  }
}

// sums += Σ_k inputs[·][k] · b[k·PANEL + ·]; quads: words are 4 bytes, else 2 int16
INLINE void word_product(word_sums *sums, const int rows, const int vectors, const int quads, const int prefetch,
                         const int32_t *const inputs[MICRO_ROWS], const int32_t *b, int depth, micro_ahead ahead) {
  const float *next = (const float *)b + ahead.offset;
  NO_UNROLL
  for (int k = 0; k < depth; k++, b += PANEL, next += ahead.step) {
    if (prefetch) micro_prefetch(next, ahead.step, 0);
    if (quads) quad_step(sums, rows, vectors, inputs, k, b);
    else pair_step(sums, rows, vectors, inputs, k, b);
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
    word_product(&s, rows, vectors, 1, prefetch, inputs, panel + tap->weights, depth, ahead);
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

INLINE void word_rows_of(const int rows, const int vectors, const int quads, const int prefetch, const int32_t *a, long row_words,
                         const int32_t *b, int depth, micro_ahead ahead, int32_t *sums) {
  const int32_t *inputs[MICRO_ROWS];
  UNROLL
  for (int r = 0; r < rows; r++) inputs[r] = a + r * row_words;
  word_sums s;
  words_zero(&s, rows, vectors);
  word_product(&s, rows, vectors, quads, prefetch, inputs, b, depth, ahead);
  words_store(&s, rows, vectors, sums);
}

INLINE void word_all_rows(const int vectors, const int quads, const int32_t *a, long row_words, int rows, const int32_t *b, long next,
                          int depth, int32_t *sums) {
  const int passes = (rows + MICRO_ROWS - 1) / MICRO_ROWS;
  NO_UNROLL
  for (int pass = 0; pass < passes; pass++, rows -= MICRO_ROWS, a += MICRO_ROWS * row_words, sums += MICRO_SIZE) {
    const micro_ahead ahead = MICRO_PREFETCH && next ? ahead_of(next, depth, pass, passes, 0) : nothing_ahead;
    if (are_few(rows)) word_rows_of(FEW_ROWS, vectors, quads, 0, a, row_words, b, depth, nothing_ahead, sums);
    else if (MICRO_PREFETCH && ahead.step) word_rows_of(MICRO_ROWS, vectors, quads, 1, a, row_words, b, depth, ahead, sums);
    else word_rows_of(MICRO_ROWS, vectors, quads, 0, a, row_words, b, depth, ahead, sums);
  }
}
NOINLINE static void quad_rows_whole(const int32_t *a, long row_words, int rows, const int32_t *b, long next, int depth, int32_t *sums) {
  word_all_rows(MICRO_VECTORS, 1, a, row_words, rows, b, next, depth, sums);
}
NOINLINE static void quad_rows_narrow(const int32_t *a, long row_words, int rows, const int32_t *b, int depth, int32_t *sums) {
  word_all_rows(HALF_VECTORS, 1, a, row_words, rows, b, 0, depth, sums);
}
NOINLINE static void pair_rows_whole(const int32_t *a, long row_words, int rows, const int32_t *b, long next, int depth, int32_t *sums) {
  word_all_rows(MICRO_VECTORS, 0, a, row_words, rows, b, next, depth, sums);
}
NOINLINE static void pair_rows_narrow(const int32_t *a, long row_words, int rows, const int32_t *b, int depth, int32_t *sums) {
  word_all_rows(HALF_VECTORS, 0, a, row_words, rows, b, 0, depth, sums);
}

// Rows `row_words` apart: sums [rows][PANEL], whole micro-tiles of them (inputs that are read for these must exist). next: words from b to
// the block that is multiplied next, which is asked for ahead; 0: nothing. quad: words are 4 bytes; pair: 2 int16.
INLINE void quad_rows(const int32_t *a, long row_words, int rows, const int32_t *b, long next, int depth, int columns, int32_t *sums) {
  if (columns <= HALF_PANEL) quad_rows_narrow(a, row_words, rows, b, depth, sums);
  else quad_rows_whole(a, row_words, rows, b, next, depth, sums);
}
INLINE void pair_rows(const int32_t *a, long row_words, int rows, const int32_t *b, long next, int depth, int columns, int32_t *sums) {
  if (columns <= HALF_PANEL) pair_rows_narrow(a, row_words, rows, b, depth, sums);
  else pair_rows_whole(a, row_words, rows, b, next, depth, sums);
}
