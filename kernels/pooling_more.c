// The pools that other people's nets have besides: by p-norm, and where a maximum stands.
#include "math_functions.h"
#include "pool_window.h"

// x^(1/power) of a sum: by logarithm, then one step of Newton's method, which squares its error away.
static float root(float x, int power) {
  if (power == 1 || !(x > 1.2e-38f) || x > 3.4e38f) return power == 1 || x != x || x > 3.4e38f ? x : 0;
  const float r = vexp(splat(log_positive(x) / (float)power))[0];
  float below = r; // r^(power − 1)
  for (int i = 2; i < power; i++) below *= r;
  return r - (below * r - x) / ((float)power * below);
}

static void norm_position(const pool_taps *t, int channels, int power, float *y) {
  FOR_VECTORS(c, count, channels, {
    vf sum = splat(0);
    for (int i = 0; i < t->lines; i++) {
      const float *x = t->first + i * t->line_step + c;
      for (int j = 0; j < t->columns; j++, x += t->column_step) {
        const vf v = load_lanes(x, count), size = vselect(v < 0, -v, v);
        vf term = size;
        for (int p = 1; p < power; p++) term *= size;
        sum += term;
      }
    }
    if (power == 2) sum = vsqrt(sum);
    else for (int lane = 0; lane < LANES; lane++) sum[lane] = root(sum[lane], power);
    store_lanes(y + c, sum, count);
  });
}

int lp_pool_forward_tasks(const lp_pool_forward_args *args) {
  const pool_window w = POOL_WINDOW_OF(args);
  return row_tasks(positions_of(&w), w.channels);
}
void lp_pool_forward_task(const lp_pool_forward_args *args, int task, int thread) {
  (void)thread;
  const pool_window w = POOL_WINDOW_OF(args);
  const span part = row_span(positions_of(&w), w.channels, task);
  for (int p = part.begin; p < part.end; p++) {
    const pool_taps taps = taps_of(&w, p);
    norm_position(&taps, w.channels, args->power, w.y + (long)p * w.channels);
  }
}

// The first maximum in the order of the taps; a NaN is larger than all.
static int max_tap(const pool_taps *t, int channel) {
  int best = 0;
  float value = -__builtin_inff();
  for (int i = 0; i < t->lines; i++)
    for (int j = 0; j < t->columns; j++) {
      const float x = t->first[i * t->line_step + j * t->column_step + channel];
      if (x > value || (x != x && value == value)) best = i * t->columns + j, value = x;
    }
  return best;
}

int max_pool_index_forward_tasks(const max_pool_index_forward_args *args) {
  const pool_window w = POOL_WINDOW_OF(args);
  return row_tasks(positions_of(&w), w.channels);
}
void max_pool_index_forward_task(const max_pool_index_forward_args *args, int task, int thread) {
  (void)thread;
  const pool_window w = POOL_WINDOW_OF(args);
  const span part = row_span(positions_of(&w), w.channels, task);
  for (int p = part.begin; p < part.end; p++) {
    const pool_taps taps = taps_of(&w, p);
    const int n = p / w.out_width / w.out_height, pixel = (int)((taps.first - w.x) / w.channels) - n * w.in_height * w.in_width;
    for (int c = 0; c < w.channels; c++) {
      float *index = w.y + (long)p * w.channels + c;
      *index = -1; // where a window lies wholly outside
      if (taps.lines == 0 || taps.columns == 0) continue;
      const int tap = max_tap(&taps, c);
      const int y = pixel / w.in_width + tap / taps.columns * w.dilation_y, x = pixel % w.in_width + tap % taps.columns * w.dilation_x;
      const int at = args->by_columns ? x * w.in_height + y : y * w.in_width + x;
      *index = (float)((n * w.channels + c) * w.in_height * w.in_width + at);
    }
  }
}
