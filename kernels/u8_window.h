// Where the taps of an integer convolution find their inputs: bytes, a position's in whole words; x_zero outside the image.
#pragma once
#include "conv_scratch.h"
#include "u8_micro.h"

typedef struct {
  const uint8_t *x;
  int batch, in_height, in_width, row_bytes;
  int out_height, out_width, kernel_height, kernel_width;
  int stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
} u8_window;

#define U8_WINDOW_OF(args)                                                                                            \
  {U8(args->x), args->batch, args->in_height, args->in_width, row_bytes_of(args->in_channels), args->out_height,      \
   args->out_width, args->kernel_height, args->kernel_width, args->stride_y, args->stride_x, args->pad_y,             \
   args->pad_x, args->dilation_y, args->dilation_x}

static inline int u8_positions(const u8_window *w) { return w->batch * w->out_height * w->out_width; }

typedef struct {
  const uint8_t *image;
  int y, x; // of the first tap; may lie outside
} u8_corner;

static inline u8_corner u8_corner_of(const u8_window *w, int position) {
  const int line = position / w->out_width, n = line / w->out_height;
  return (u8_corner){w->x + (long)n * w->in_height * w->in_width * w->row_bytes, line % w->out_height * w->stride_y - w->pad_y,
                     position % w->out_width * w->stride_x - w->pad_x};
}

// What a tap reads; `outside` where that is no pixel.
static inline const uint8_t *u8_pixel(const u8_window *w, u8_corner c, int ky, int kx, const uint8_t *outside) {
  const int y = c.y + ky * w->dilation_y, x = c.x + kx * w->dilation_x;
  if (y < 0 || y >= w->in_height || x < 0 || x >= w->in_width) return outside;
  return c.image + ((long)y * w->in_width + x) * w->row_bytes;
}

// `bytes` bytes of x_zero, and as many more as vectors read.
static inline uint8_t *u8_outside(scratch *s, int bytes, int x_zero) {
  const int filled = bytes + 8 * LANES;
  uint8_t *row = scratch_take(s, filled);
  __builtin_memset(row, x_zero, (size_t)filled);
  return row;
}

// The taps of the micro-tile that begins at `position` (positions ≥ `end` repeat the last one): all of them, whether or not they lie
// outside. `pixel_byte`: of the first channel; `tap_words`: of a tap's weights.
NOINLINE static void u8_tile_taps(const u8_window *w, int position, int end, int pixel_byte, const uint8_t *outside, int tap_words,
                                  micro_tap *taps) {
  for (int r = 0; r < MICRO_ROWS; r++) {
    const u8_corner corner = u8_corner_of(w, min_int(position + r, end - 1));
    for (int ky = 0, tap = 0; ky < w->kernel_height; ky++)
      for (int kx = 0; kx < w->kernel_width; kx++, tap++)
        taps[tap].row[r] = (const float *)(u8_pixel(w, corner, ky, kx, outside) + pixel_byte);
  }
  for (int tap = 0; tap < w->kernel_height * w->kernel_width; tap++) taps[tap].weights = tap * tap_words;
}
