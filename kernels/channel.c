#include "column_sums.h"

// Rows [batch][positions] of one picture in each task: a task is some positions of one picture.
INLINE int position_tasks(int batch, int positions, int channels) { return batch * row_tasks(positions, channels); }
typedef struct {
  int image;
  span positions;
} image_span;
INLINE image_span position_span(int positions, int channels, int task) {
  const int tasks = row_tasks(positions, channels);
  return (image_span){task / tasks, row_span(positions, channels, task % tasks)};
}

// out[image][position][c] (+)= in[image][position][c] · scale[image][c]
static void multiply_channel(uint32_t in, uint32_t scale_at, uint32_t out, int positions, int channels, int accumulate,
                             int task) {
  const image_span part = position_span(positions, channels, task);
  const float *scale = F32(scale_at) + (size_t)part.image * channels;
  for (int p = part.positions.begin; p < part.positions.end; p++) {
    const size_t row = ((size_t)part.image * positions + p) * channels;
    const float *x = F32(in) + row;
    float *y = F32(out) + row;
    if (accumulate) {
      FOR_VECTORS(c, count, channels, store_lanes(y + c, load_lanes(y + c, count) + load_lanes(x + c, count) * load_lanes(scale + c, count), count););
    } else {
      FOR_VECTORS(c, count, channels, store_lanes(y + c, load_lanes(x + c, count) * load_lanes(scale + c, count), count););
    }
  }
}

int multiply_channel_forward_tasks(const multiply_channel_forward_args *args) {
  return position_tasks(args->batch, args->positions, args->channels);
}
void multiply_channel_forward_task(const multiply_channel_forward_args *args, int task, int thread) {
  (void)thread;
  multiply_channel(args->x, args->scale, args->y, args->positions, args->channels, 0, task);
}

int multiply_channel_backward_input_tasks(const multiply_channel_backward_input_args *args) {
  return position_tasks(args->batch, args->positions, args->channels);
}
void multiply_channel_backward_input_task(const multiply_channel_backward_input_args *args, int task, int thread) {
  (void)thread;
  multiply_channel(args->dy, args->scale, args->dx, args->positions, args->channels, args->accumulate, task);
}

// y[c] (+)= factor · Σ_row a[row][c] (· b[row][c]), one block of channels of one picture
static void reduce_positions(uint32_t a, uint32_t b, uint32_t out, int positions, int channels, float factor,
                             int accumulate, int task) {
  const int image = task / channel_tasks(channels);
  const span block = channel_span(channels, task % channel_tasks(channels));
  const size_t first = (size_t)image * positions * channels + block.begin;
  const int width = block.end - block.begin;
  float sums[CHANNEL_BLOCK];
  if (b) column_sums(F32(a) + first, F32(b) + first, positions, channels, width, sums);
  else column_sums(F32(a) + first, 0, positions, channels, width, sums);
  float *y = F32(out) + (size_t)image * channels + block.begin;
  const vf factors = splat(factor);
  FOR_VECTORS(c, count, width,
    vf value = load_lanes(sums + c, count) * factors;
    store_lanes(y + c, accumulate ? load_lanes(y + c, count) + value : value, count););
}

int multiply_channel_backward_scale_tasks(const multiply_channel_backward_scale_args *args) {
  return args->batch * channel_tasks(args->channels);
}
void multiply_channel_backward_scale_task(const multiply_channel_backward_scale_args *args, int task, int thread) {
  (void)thread;
  reduce_positions(args->dy, args->x, args->dscale, args->positions, args->channels, 1, args->accumulate, task);
}

int sum_rows_tasks(const sum_rows_args *args) { return channel_tasks(args->channels); }
void sum_rows_task(const sum_rows_args *args, int task, int thread) {
  (void)thread;
  reduce_positions(args->x, 0, args->y, args->rows, args->channels, 1, args->accumulate, task);
}

int global_average_pool_forward_tasks(const global_average_pool_forward_args *args) {
  return args->batch * channel_tasks(args->channels);
}
void global_average_pool_forward_task(const global_average_pool_forward_args *args, int task, int thread) {
  (void)thread;
  reduce_positions(args->x, 0, args->y, args->positions, args->channels, 1.0f / (float)args->positions, 0, task);
}

int global_average_pool_backward_tasks(const global_average_pool_backward_args *args) {
  return position_tasks(args->batch, args->positions, args->channels);
}
void global_average_pool_backward_task(const global_average_pool_backward_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels;
  const image_span part = position_span(args->positions, channels, task);
  const float *dy = F32(args->dy) + (size_t)part.image * channels;
  const vf factor = splat(1.0f / (float)args->positions);
  for (int p = part.positions.begin; p < part.positions.end; p++) {
    float *dx = F32(args->dx) + ((size_t)part.image * args->positions + p) * channels;
    FOR_VECTORS(c, count, channels,
      vf value = load_lanes(dy + c, count) * factor;
      store_lanes(dx + c, args->accumulate ? load_lanes(dx + c, count) + value : value, count););
  }
}

int bias_forward_tasks(const bias_forward_args *args) { return row_tasks(args->rows, args->channels); }
void bias_forward_task(const bias_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->channels, task);
  const float *bias = F32(args->bias);
  const vf floor = splat(args->relu ? 0 : -__builtin_inff());
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (size_t)row * args->channels;
    float *y = F32(args->y) + (size_t)row * args->channels;
    FOR_VECTORS(c, count, args->channels,
      store_lanes(y + c, vmax(load_lanes(x + c, count) + load_lanes(bias + c, count), floor), count););
  }
}
