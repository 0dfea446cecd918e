// Depthwise integer convolution: every channel is a lane. Packed weights: int8 [taps][bytes of a position].
#include "pool.h"
#include "u8_output.h"
#include "u8_window.h"

int conv_u8_depthwise_pack_tasks(const conv_u8_depthwise_pack_args *args) {
  (void)args;
  return 1;
}

void conv_u8_depthwise_pack_task(const conv_u8_depthwise_pack_args *args, int task, int thread) {
  (void)task, (void)thread;
  const uint8_t *from = U8(args->weight);
  uint8_t *to = U8(args->packed);
  const int row_bytes = row_bytes_of(args->channels);
  for (int tap = 0; tap < args->taps; tap++, to += row_bytes)
    for (int c = 0; c < row_bytes; c++) to[c] = c < args->channels ? *from++ : 0;
}

// Words of a position's sums: whole panels.
static int sum_words(const conv_u8_depthwise_forward_args *args) { return ceil_div(args->out_channels, PANEL) * PANEL; }

// Positions of a task: as many as a quarter of the scratch memory has room for the sums of.
static int block_positions(const conv_u8_depthwise_forward_args *args) {
  const int room = POOL_SCRATCH_FLOATS / 4 / sum_words(args);
  return room < 1 ? 1 : min_int(room, 64);
}

int conv_u8_depthwise_forward_tasks(const conv_u8_depthwise_forward_args *args) {
  return ceil_div(args->batch * args->out_height * args->out_width, block_positions(args));
}

typedef int16_t vs_lanes __attribute__((vector_size(2 * LANES)));

INLINE vi depthwise_sum(const uint8_t *const *pixels, int taps, const int8_t *weights, int row_bytes, int c, int count) {
  vi sum = splat_word(0);
  NO_UNROLL
  for (int tap = 0; tap < taps; tap++, weights += row_bytes) {
    if (count == LANES) {
      // A product of bytes is at most 255 · 128: it fits int16.
      const vs_lanes x = __builtin_convertvector(*(const vu8_unaligned *)(pixels[tap] + c), vs_lanes);
      const vs_lanes w = __builtin_convertvector(*(const vs8_unaligned *)(weights + c), vs_lanes);
      sum += __builtin_convertvector(x * w, vi);
    } else sum += load_bytes(pixels[tap] + c, count) * load_signed_bytes(weights + c, count);
  }
  return sum;
}

NOINLINE static void depthwise_position(const u8_output *o, const uint8_t *const *pixels, int taps, const int8_t *weights, int32_t *sums) {
  FOR_VECTORS(c, count, o->row_bytes, store_words(sums + c, depthwise_sum(pixels, taps, weights, o->row_bytes, c, count)););
}

void conv_u8_depthwise_forward_task(const conv_u8_depthwise_forward_args *args, int task, int thread) {
  const u8_window w = U8_WINDOW_OF(args);
  const u8_output output = U8_OUTPUT_OF(args);
  const int taps = w.kernel_height * w.kernel_width, channels = args->out_channels;
  const int block = block_positions(args), first = task * block, rows = min_int(block, u8_positions(&w) - first);
  scratch s = scratch_of(thread);
  const uint8_t *outside = u8_outside(&s, w.row_bytes, args->x_zero);
  const uint8_t **pixels = scratch_take(&s, taps * (long)sizeof(uint8_t *));
  const long row_words = sum_words(args);
  int32_t *sums = scratch_take(&s, row_words * block * 4);
  for (int r = 0; r < rows; r++) {
    const u8_corner corner = u8_corner_of(&w, first + r);
    for (int ky = 0, tap = 0; ky < w.kernel_height; ky++)
      for (int kx = 0; kx < w.kernel_width; kx++, tap++) pixels[tap] = u8_pixel(&w, corner, ky, kx, outside);
    depthwise_position(&output, pixels, taps, (const int8_t *)U8(args->packed), sums + r * row_words);
  }
  for (int column = 0; column < channels; column += PANEL) {
    const u8_panel panel = u8_panel_of(&output, column, min_int(PANEL, channels - column));
    for (int r = 0; r < rows; r++) u8_store(&output, &panel, sums + r * row_words + column, first + r, 1);
  }
}
