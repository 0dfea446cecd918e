// How convolution kernels walk over their input: the "window" of the *_forward lines in kernels.def.
//
// Output position (oy, ox) of a grid [grid_height][grid_width] reads, for taps ky < taps_y and kx < taps_x, the input at
// (oy·stride_y + offset_y + ky·step_y, ox·stride_x + offset_x + kx·step_x), zero where that lies outside, and is written
// to (oy·out_stride_y + out_offset_y, ox·out_stride_x + out_offset_x). A forward convolution is one window; the gradient of
// the input is one window for each of the strides' phases.
#pragma once
#include "conv_micro.h"

typedef struct {
  const float *x;
  float *y;
  int batch, in_height, in_width, in_channels;
  int out_height, out_width, out_channels;
  int grid_height, grid_width;
  int taps_y, taps_x, stride_y, stride_x, offset_y, offset_x, step_y, step_x;
  int out_stride_y, out_stride_x, out_offset_y, out_offset_x;
  // 1: row index = (oy, ox, n), so that taps which are all padding are skipped in small images; 0: (n, oy, ox).
  int batch_inner;
} window;

#define WINDOW_OF(args)                                                                                              \
  {F32(args->x), F32(args->y), args->batch, args->in_height, args->in_width, args->in_channels, args->out_height,    \
   args->out_width, args->out_channels, args->grid_height, args->grid_width, args->taps_y, args->taps_x,             \
   args->stride_y, args->stride_x, args->offset_y, args->offset_x, args->step_y, args->step_x, args->out_stride_y,   \
   args->out_stride_x, args->out_offset_y, args->out_offset_x, args->batch_inner}

static inline int window_rows(const window *w) { return w->batch * w->grid_height * w->grid_width; }

typedef struct {
  int n, y, x;
} window_position;

static inline window_position window_at(const window *w, int row) {
  if (w->batch_inner) {
    const int position = row / w->batch;
    return (window_position){row % w->batch, position / w->grid_width, position % w->grid_width};
  }
  const int line = row / w->grid_width;
  return (window_position){line / w->grid_height, line % w->grid_height, row % w->grid_width};
}

// The pixel that a tap reads at a position; 0 outside.
static inline const float *window_input(const window *w, window_position p, int ky, int kx) {
  const int y = p.y * w->stride_y + w->offset_y + ky * w->step_y;
  const int x = p.x * w->stride_x + w->offset_x + kx * w->step_x;
  if (y < 0 || y >= w->in_height || x < 0 || x >= w->in_width) return 0;
  return w->x + (long)((p.n * w->in_height + y) * w->in_width + x) * w->in_channels;
}

static inline float *window_output(const window *w, window_position p) {
  const int y = p.y * w->out_stride_y + w->out_offset_y;
  const int x = p.x * w->out_stride_x + w->out_offset_x;
  return w->y + (long)((p.n * w->out_height + y) * w->out_width + x) * w->out_channels;
}

// Fills the taps of the micro-tile that begins at `row` (rows ≥ `end` repeat the last one) and the outputs of its rows
// (0 beyond `end`). Rows that a tap finds outside read `zeros`; taps that all rows find outside are left out.
// Returns the number of taps. `tap_words` is the length of one tap's weights.
static int window_tile(const window *w, int row, int end, int channel, const float *zeros, int tap_words,
                       micro_tap *taps, float **outputs) {
  window_position p[MICRO_ROWS];
  for (int r = 0; r < MICRO_ROWS; r++) {
    p[r] = window_at(w, row + r < end ? row + r : end - 1);
    outputs[r] = row + r < end ? window_output(w, p[r]) : 0;
  }
  int count = 0;
  for (int ky = 0; ky < w->taps_y; ky++)
    for (int kx = 0; kx < w->taps_x; kx++) {
      int inside = 0;
      for (int r = 0; r < MICRO_ROWS; r++) {
        const float *pixel = window_input(w, p[r], ky, kx);
        taps[count].row[r] = pixel ? pixel + channel : zeros;
        inside |= pixel != 0;
      }
      taps[count].weights = (ky * w->taps_x + kx) * tap_words;
      count += inside;
    }
  return count;
}
