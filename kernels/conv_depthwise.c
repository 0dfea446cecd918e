// Depthwise convolution (one input and one output a group), directly: every channel is a lane, so there is nothing to pack
// but the choice of taps. Packed weights: [taps][channels].
#include "conv_range.h"
#include "conv_scratch.h"
#include "conv_window.h"

int conv_depthwise_pack_tasks(const conv_depthwise_pack_args *args) {
  (void)args;
  return 1;
}

// Tap (ky, kx) is the kernel's (first_y + ky·tap_step_y, first_x + kx·tap_step_x).
void conv_depthwise_pack_task(const conv_depthwise_pack_args *args, int task, int thread) {
  (void)task, (void)thread;
  float *to = F32(args->packed);
  for (int ky = 0; ky < args->taps_y; ky++)
    for (int kx = 0; kx < args->taps_x; kx++) {
      const int tap = (args->first_y + ky * args->tap_step_y) * args->kernel_width + args->first_x + kx * args->tap_step_x;
      const float *from = F32(args->weight) + (long)tap * args->channels;
      for (int c = 0; c < args->channels; c++) *to++ = from[c];
    }
}

// Outputs of a task: large enough that the table of taps is soon paid for.
enum { BLOCK_TILES = 8, BLOCK_ROWS = BLOCK_TILES * MICRO_ROWS };

int conv_depthwise_forward_tasks(const conv_depthwise_forward_args *args) {
  const window w = WINDOW_OF(args);
  return ceil_div(window_rows(&w), BLOCK_ROWS);
}

// The positions of a micro-tile, one vector of channels: sums[·] = Σ_taps row[·][c] · weights[tap][c]
INLINE void depthwise_vector(const micro_tap *tap, int taps, const float *weights, int c, int count, vf sums[MICRO_ROWS]) {
  vf s[MICRO_ROWS];
  UNROLL
  for (int r = 0; r < MICRO_ROWS; r++) s[r] = splat(0);
  NO_UNROLL
  for (const micro_tap *end = tap + taps; tap < end; tap++) {
    const vf weight = load_lanes(weights + tap->weights + c, count);
    UNROLL
    for (int r = 0; r < MICRO_ROWS; r++) s[r] += load_lanes(tap->row[r] + c, count) * weight;
  }
  UNROLL
  for (int r = 0; r < MICRO_ROWS; r++) sums[r] = s[r];
}

INLINE void depthwise_store(const conv_depthwise_forward_args *args, vf v, int c, int count, float *y) {
  if (args->bias) v += load_lanes(F32(args->bias) + c, count);
  if (args->accumulate) v += load_lanes(y + c, count);
  if (args->relu) v = vmax(v, splat(0));
  store_lanes(y + c, v, count);
}

INLINE void depthwise_channels(const conv_depthwise_forward_args *args, const micro_tap *taps, int tap_count, int c,
                               int count, float *const *outputs) {
  vf sums[MICRO_ROWS];
  depthwise_vector(taps, tap_count, F32(args->packed), c, count, sums);
  for (int r = 0; r < MICRO_ROWS && outputs[r]; r++) depthwise_store(args, sums[r], c, count, outputs[r]);
}

NOINLINE static void depthwise_tile(const conv_depthwise_forward_args *args, const micro_tap *taps, int tap_count,
                                    float *const *outputs) {
  FOR_VECTORS(c, count, args->out_channels, depthwise_channels(args, taps, tap_count, c, count, outputs););
}

void conv_depthwise_forward_task(const conv_depthwise_forward_args *args, int task, int thread) {
  const window w = WINDOW_OF(args);
  const int end = min_int((task + 1) * BLOCK_ROWS, window_rows(&w));
  scratch s = scratch_of(thread);
  const float *zeros = scratch_zeros(&s, args->in_channels);
  micro_tap *taps = scratch_take(&s, ((long)args->taps_y * args->taps_x + 1) * (long)sizeof(micro_tap));
  for (int row = task * BLOCK_ROWS; row < end; row += MICRO_ROWS) {
    float *outputs[MICRO_ROWS];
    const int count = window_tile(&w, row, end, 0, zeros, args->in_channels, taps, outputs);
    depthwise_tile(args, taps, count, outputs);
  }
}

// A task makes one tap of block_channels channels: a full cache line of each pixel at least.
enum { GRADIENT_CHANNELS = 4 * LANES > 16 ? 4 * LANES : 16 };

int conv_depthwise_backward_weight_tasks(const conv_depthwise_backward_weight_args *args) {
  return args->kernel_height * args->kernel_width * ceil_div(args->channels, GRADIENT_CHANNELS);
}

// sums [channels] += Σ_positions x · dy along a line; each line is summed by itself first, which keeps long sums exact enough.
NOINLINE static void sum_line(const float *x, long x_step, const float *dy, long dy_step, int positions, int channels, float *sums) {
  FOR_VECTORS(c, count, channels, {
    vf sum = splat(0);
    for (int i = 0; i < positions; i++) sum += load_lanes(x + i * x_step + c, count) * load_lanes(dy + i * dy_step + c, count);
    store_lanes(sums + c, load_lanes(sums + c, count) + sum, count);
  });
}

void conv_depthwise_backward_weight_task(const conv_depthwise_backward_weight_args *args, int task, int thread) {
  (void)thread;
  const int blocks = ceil_div(args->channels, GRADIENT_CHANNELS), tap = task / blocks;
  const int channel = task % blocks * GRADIENT_CHANNELS, channels = min_int(GRADIENT_CHANNELS, args->channels - channel);
  const int offset_y = tap / args->kernel_width * args->dilation_y - args->pad_y;
  const int offset_x = tap % args->kernel_width * args->dilation_x - args->pad_x;
  int from_y, to_y, from_x, to_x;
  inside_range(args->in_height, args->out_height, args->stride_y, offset_y, &from_y, &to_y);
  inside_range(args->in_width, args->out_width, args->stride_x, offset_x, &from_x, &to_x);
  float sums[GRADIENT_CHANNELS] = {0};
  for (int n = 0; n < args->batch; n++)
    for (int y = from_y; y < to_y && from_x < to_x; y++) {
      const long in_line = (long)(n * args->in_height + y * args->stride_y + offset_y) * args->in_width;
      const float *x = F32(args->x) + (in_line + from_x * args->stride_x + offset_x) * args->channels + channel;
      const float *dy = F32(args->dy) + ((long)(n * args->out_height + y) * args->out_width + from_x) * args->channels + channel;
      sum_line(x, (long)args->stride_x * args->channels, dy, args->channels, to_x - from_x, channels, sums);
    }
  float *to = F32(args->dw) + (long)tap * args->channels + channel;
  for (int c = 0; c < channels; c++) to[c] = sums[c] + (args->accumulate ? to[c] : 0);
}
