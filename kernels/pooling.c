// Pools over windows. Every channel is a lane; a task is some positions of the output.
#include "pool_window.h"

// Once a NaN is in, it stays.
INLINE vf larger(vf m, vf v) { return vselect(m != m, m, vmax(v, m)); }

static void max_position(const pool_taps *t, int channels, float *y) {
  FOR_VECTORS(c, count, channels, {
    vf m = splat(-__builtin_inff());
    for (int i = 0; i < t->lines; i++) {
      const float *x = t->first + i * t->line_step + c;
      for (int j = 0; j < t->columns; j++, x += t->column_step) m = larger(m, load_lanes(x, count));
    }
    store_lanes(y + c, m, count);
  });
}

static void sum_position(const pool_taps *t, int channels, float factor, float *y) {
  const vf factors = splat(factor);
  FOR_VECTORS(c, count, channels, {
    vf sum = splat(0);
    for (int i = 0; i < t->lines; i++) {
      const float *x = t->first + i * t->line_step + c;
      for (int j = 0; j < t->columns; j++, x += t->column_step) sum += load_lanes(x, count);
    }
    store_lanes(y + c, sum * factors, count);
  });
}

int max_pool_forward_tasks(const max_pool_forward_args *args) {
  const pool_window w = POOL_WINDOW_OF(args);
  return row_tasks(positions_of(&w), w.channels);
}
void max_pool_forward_task(const max_pool_forward_args *args, int task, int thread) {
  (void)thread;
  const pool_window w = POOL_WINDOW_OF(args);
  const span part = row_span(positions_of(&w), w.channels, task);
  for (int p = part.begin; p < part.end; p++) {
    const pool_taps taps = taps_of(&w, p);
    max_position(&taps, w.channels, w.y + (long)p * w.channels);
  }
}

int average_pool_forward_tasks(const average_pool_forward_args *args) {
  const pool_window w = POOL_WINDOW_OF(args);
  return row_tasks(positions_of(&w), w.channels);
}
void average_pool_forward_task(const average_pool_forward_args *args, int task, int thread) {
  (void)thread;
  const pool_window w = POOL_WINDOW_OF(args);
  const span part = row_span(positions_of(&w), w.channels, task);
  for (int p = part.begin; p < part.end; p++) {
    const pool_taps taps = taps_of(&w, p);
    int lines = taps.lines, columns = taps.columns;
    if (args->include_pad) {
      const int height = w.pad_y + w.in_height + args->pad_bottom, width = w.pad_x + w.in_width + args->pad_right;
      const span ky = taps_inside(taps.start_y + w.pad_y, height, w.kernel_height, w.dilation_y);
      const span kx = taps_inside(taps.start_x + w.pad_x, width, w.kernel_width, w.dilation_x);
      lines = ky.end - ky.begin, columns = kx.end - kx.begin;
    }
    sum_position(&taps, w.channels, 1.0f / (float)(lines * columns), w.y + (long)p * w.channels);
  }
}
