// Pools of bytes. Every channel is a lane; a task is some positions of the output.
#include "pool_window.h"
#include "u8_simd.h"

// The window in words of a position, each of which is 4 channels: what pool_window.h counts in floats.
#define U8_POOL_WINDOW_OF(args)                                                                                     \
  {F32(args->x), F32(args->y), args->batch, args->in_height, args->in_width, row_words_of(args->channels),           \
   args->out_height, args->out_width, args->kernel_height, args->kernel_width, args->stride_y, args->stride_x,       \
   args->pad_y, args->pad_x, args->dilation_y, args->dilation_x}

int u8_max_pool_forward_tasks(const u8_max_pool_forward_args *args) {
  const pool_window w = U8_POOL_WINDOW_OF(args);
  return row_tasks(positions_of(&w), args->channels);
}

static void max_bytes(const pool_taps *t, int row_bytes, uint8_t *y) {
  FOR_VECTORS(c, count, row_bytes, {
    vi m = splat_word(0);
    for (int i = 0; i < t->lines; i++) {
      const uint8_t *x = (const uint8_t *)(t->first + i * t->line_step) + c;
      for (int j = 0; j < t->columns; j++, x += 4 * t->column_step) {
        const vi v = load_bytes(x, count);
        m += (v - m) & (v > m);
      }
    }
    store_bytes(y + c, m, count);
  });
}

void u8_max_pool_forward_task(const u8_max_pool_forward_args *args, int task, int thread) {
  (void)thread;
  const pool_window w = U8_POOL_WINDOW_OF(args);
  const span part = row_span(positions_of(&w), args->channels, task);
  for (int p = part.begin; p < part.end; p++) {
    const pool_taps taps = taps_of(&w, p);
    max_bytes(&taps, row_bytes_of(args->channels), (uint8_t *)(w.y + (long)p * w.channels));
  }
}

// Of a sum of `count` bytes: (sum − count · zero) · (multiplier / divisor).
typedef struct {
  vf factor, low, high;
  vi subtracted, zero;
} u8_mean;

static void mean_bytes(const pool_taps *t, int row_bytes, const u8_mean *m, uint8_t *y) {
  FOR_VECTORS(c, count, row_bytes, {
    vi sum = splat_word(0);
    for (int i = 0; i < t->lines; i++) {
      const uint8_t *x = (const uint8_t *)(t->first + i * t->line_step) + c;
      for (int j = 0; j < t->columns; j++, x += 4 * t->column_step) sum += load_bytes(x, count);
    }
    const vf mean = __builtin_convertvector(sum - m->subtracted, vf) * m->factor;
    store_bytes(y + c, to_byte_lanes(mean, m->low, m->high, m->zero), count);
  });
}

int u8_average_pool_forward_tasks(const u8_average_pool_forward_args *args) {
  const pool_window w = U8_POOL_WINDOW_OF(args);
  return row_tasks(positions_of(&w), args->channels);
}
void u8_average_pool_forward_task(const u8_average_pool_forward_args *args, int task, int thread) {
  (void)thread;
  const pool_window w = U8_POOL_WINDOW_OF(args);
  const span part = row_span(positions_of(&w), args->channels, task);
  u8_mean mean = {.zero = splat_word(args->y_zero),
                  .low = splat((float)(args->low - args->y_zero)),
                  .high = splat((float)(args->high - args->y_zero))};
  for (int p = part.begin; p < part.end; p++) {
    const pool_taps taps = taps_of(&w, p);
    int divisor = taps.lines * taps.columns;
    mean.subtracted = splat_word(divisor * args->x_zero);
    if (args->include_pad) {
      const int height = w.pad_y + w.in_height + args->pad_bottom, width = w.pad_x + w.in_width + args->pad_right;
      const span ky = taps_inside(taps.start_y + w.pad_y, height, w.kernel_height, w.dilation_y);
      const span kx = taps_inside(taps.start_x + w.pad_x, width, w.kernel_width, w.dilation_x);
      divisor = (ky.end - ky.begin) * (kx.end - kx.begin);
    }
    mean.factor = splat(args->multiplier / (float)divisor);
    mean_bytes(&taps, row_bytes_of(args->channels), &mean, (uint8_t *)(w.y + (long)p * w.channels));
  }
}

// A task is CHANNEL_BLOCK channels of an image.
int u8_global_average_pool_forward_tasks(const u8_global_average_pool_forward_args *args) {
  return args->batch * channel_tasks(args->channels);
}
void u8_global_average_pool_forward_task(const u8_global_average_pool_forward_args *args, int task, int thread) {
  (void)thread;
  const int blocks = channel_tasks(args->channels), image = task / blocks, row_bytes = row_bytes_of(args->channels);
  const int begin = task % blocks * CHANNEL_BLOCK, floats = args->floats;
  const int end = min_int(begin + CHANNEL_BLOCK, floats ? args->channels : row_bytes);
  const uint8_t *x = U8(args->x) + (long)image * args->positions * row_bytes + begin;
  const vi subtracted = splat_word(args->positions * args->x_zero);
  const vf factor = splat(args->multiplier / (float)args->positions);
  const vf low = splat((float)(args->low - args->y_zero)), high = splat((float)(args->high - args->y_zero));
  FOR_VECTORS(c, count, end - begin, {
    vi sum = splat_word(0);
    for (int p = 0; p < args->positions; p++) sum += load_bytes(x + (long)p * row_bytes + c, count);
    const vf mean = __builtin_convertvector(sum - subtracted, vf) * factor;
    if (floats) store_lanes(F32(args->y) + (long)image * args->channels + begin + c, mean, count);
    else store_bytes(U8(args->y) + (long)image * row_bytes + begin + c, to_byte_lanes(mean, low, high, splat_word(args->y_zero)), count);
  });
}
