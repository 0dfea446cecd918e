// What pools read: the taps of a window that lie inside their input. Every channel is a lane.
#pragma once
#include "tasks.h"

typedef struct {
  const float *x;
  float *y;
  int batch, in_height, in_width, channels, out_height, out_width;
  int kernel_height, kernel_width, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
} pool_window;

#define POOL_WINDOW_OF(args)                                                                                        \
  {F32(args->x), F32(args->y), args->batch, args->in_height, args->in_width, args->channels, args->out_height,      \
   args->out_width, args->kernel_height, args->kernel_width, args->stride_y, args->stride_x, args->pad_y,           \
   args->pad_x, args->dilation_y, args->dilation_x}

// The taps begin … end − 1 of a window lie within [0, size); tap k is at start + k · dilation.
INLINE span taps_inside(int start, int size, int kernel, int dilation) {
  const int begin = start < 0 ? ceil_div(-start, dilation) : 0;
  const int end = start < size ? min_int(kernel, ceil_div(size - start, dilation)) : 0;
  return (span){begin, end < begin ? begin : end};
}

// What the window of one position reads: lines × columns pixels, the first at `first`.
typedef struct {
  const float *first;
  int lines, columns, start_y, start_x;
  long line_step, column_step;
} pool_taps;

INLINE pool_taps taps_of(const pool_window *w, int position) {
  const int line = position / w->out_width, n = line / w->out_height;
  const int start_y = line % w->out_height * w->stride_y - w->pad_y;
  const int start_x = position % w->out_width * w->stride_x - w->pad_x;
  const span ky = taps_inside(start_y, w->in_height, w->kernel_height, w->dilation_y);
  const span kx = taps_inside(start_x, w->in_width, w->kernel_width, w->dilation_x);
  const int y = start_y + ky.begin * w->dilation_y, x = start_x + kx.begin * w->dilation_x;
  return (pool_taps){w->x + ((long)(n * w->in_height + y) * w->in_width + x) * w->channels,
                     ky.end - ky.begin,
                     kx.end - kx.begin,
                     start_y,
                     start_x,
                     (long)w->dilation_y * w->in_width * w->channels,
                     (long)w->dilation_x * w->channels};
}

INLINE int positions_of(const pool_window *w) { return w->batch * w->out_height * w->out_width; }
