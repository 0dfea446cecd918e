// How the kernels of this folder cut their work into tasks.
#pragma once
#include "pool.h"
#include "simd.h"

typedef struct {
  int begin, end;
} span;

// Elements of an elementwise kernel: TASK_ELEMENTS a task.
INLINE int element_tasks(int n) { return ceil_div(n, TASK_ELEMENTS); }
INLINE span element_span(int n, int task) {
  int begin = task * TASK_ELEMENTS;
  return (span){begin, n - begin < TASK_ELEMENTS ? n : begin + TASK_ELEMENTS};
}

// Whole rows, about TASK_ELEMENTS elements a task.
INLINE int rows_a_task(int row_elements) {
  return row_elements >= TASK_ELEMENTS ? 1 : TASK_ELEMENTS / (row_elements < 1 ? 1 : row_elements);
}
INLINE int row_tasks(int rows, int row_elements) { return ceil_div(rows, rows_a_task(row_elements)); }
INLINE span row_span(int rows, int row_elements, int task) {
  int step = rows_a_task(row_elements), begin = task * step;
  return (span){begin, rows - begin < step ? rows : begin + step};
}

// [rows][channels] summed over rows: a task takes CHANNEL_BLOCK channels of all rows.
#define CHANNEL_BLOCK 64
INLINE int channel_tasks(int channels) { return ceil_div(channels, CHANNEL_BLOCK); }
INLINE span channel_span(int channels, int task) {
  int begin = task * CHANNEL_BLOCK;
  return (span){begin, min_int(channels, begin + CHANNEL_BLOCK)};
}
