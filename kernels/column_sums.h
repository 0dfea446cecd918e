// Sums down the columns of a [rows][stride] matrix: the one place where the order of such a sum is decided.
#pragma once
#include "tasks.h"

// Rows that are added up before they go into the total: keeps the rounding error of long sums small.
#define COLUMN_SUM_ROWS 128

// result[c] = Σ_row x[row][c] (· y[row][c] where y is given), c < width ≤ CHANNEL_BLOCK
INLINE void column_sums(const float *x, const float *y, int rows, int stride, int width, float *result) {
  float partial[CHANNEL_BLOCK];
  FOR_VECTORS(c, count, width, store_lanes(result + c, splat(0), count););
  for (int first = 0; first < rows; first += COLUMN_SUM_ROWS) {
    const int last = min_int(rows, first + COLUMN_SUM_ROWS);
    FOR_VECTORS(c, count, width, store_lanes(partial + c, splat(0), count););
    for (int row = first; row < last; row++) {
      const float *at = x + (size_t)row * stride, *other = y ? y + (size_t)row * stride : 0;
      FOR_VECTORS(c, count, width,
        vf value = load_lanes(at + c, count);
        if (y) value *= load_lanes(other + c, count);
        store_lanes(partial + c, load_lanes(partial + c, count) + value, count););
    }
    FOR_VECTORS(c, count, width,
      store_lanes(result + c, load_lanes(result + c, count) + load_lanes(partial + c, count), count););
  }
}
