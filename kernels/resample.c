// One axis picked from, interpolated, padded, scattered into or summed along. x is [outer][axis][inner]; lanes run along inner.
#include "places.h"
#include "tasks.h"

static void resample_row(const resample_axis_forward_args *args, const float *x, const float *index, const float *weight, float *y) {
  const int inner = args->inner;
  if (inner < LANES) {
    for (int i = 0; i < inner; i++) {
      float sum = -0.0f; // to which adding changes nothing, not even the sign of a zero
      for (int k = 0; k < args->taps; k++)
        if (weight[k] != 0) sum += weight[k] * (index[k] < 0 ? args->value : x[(long)index[k] * inner + i]);
      y[i] = sum;
    }
    return;
  }
  FOR_VECTORS(i, count, inner, {
    vf sum = splat(-0.0f);
    for (int k = 0; k < args->taps; k++)
      if (weight[k] != 0)
        sum += splat(weight[k]) * (index[k] < 0 ? splat(args->value) : load_lanes(x + (long)index[k] * inner + i, count));
    store_lanes(y + i, sum, count);
  });
}

int resample_axis_forward_tasks(const resample_axis_forward_args *args) { return row_tasks(args->outer * args->to, args->inner); }
void resample_axis_forward_task(const resample_axis_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->outer * args->to, args->inner, task);
  const long plane = (long)args->from * args->inner;
  for (int row = part.begin; row < part.end; row++) {
    const long taps = (long)(row % args->to) * args->taps;
    resample_row(args, F32(args->x) + row / args->to * plane, F32(args->indices) + taps, F32(args->weights) + taps,
                 F32(args->y) + (long)row * args->inner);
  }
}

static void scatter_row(const float *update, int n, int operation, float *y) {
  FOR_VECTORS(i, count, n, {
    const vf old = load_lanes(y + i, count), v = load_lanes(update + i, count);
    vf result = v;
    if (operation == 1) result = old + v;
    else if (operation == 2) result = old * v;
    else if (operation == 3) result = vselect(old != old, old, vmax(v, old));
    else if (operation == 4) result = vselect(old != old, old, vmin(v, old));
    store_lanes(y + i, result, count);
  });
}

// A task is some rows of the result, into which it takes all updates of these, in order.
int scatter_forward_tasks(const scatter_forward_args *args) { return row_tasks(args->rows, args->inner); }
void scatter_forward_task(const scatter_forward_args *args, int task, int thread) {
  (void)thread;
  const int inner = args->inner;
  const span part = row_span(args->rows, inner, task);
  const long first = (long)part.begin * inner;
  const float *x = F32(args->x) + first, *index = F32(args->indices);
  float *y = F32(args->y) + first;
  const int n = (part.end - part.begin) * inner;
  FOR_VECTORS(i, count, n, store_lanes(y + i, load_lanes(x + i, count), count););
  for (int j = 0; j < args->count; j++) {
    const int row = place_of(index[j], args->rows);
    if (row < 0) report(args->status);
    if (row >= part.begin && row < part.end)
      scatter_row(F32(args->updates) + (long)j * inner, inner, args->operation, F32(args->y) + (long)row * inner);
  }
}

// A task is one block of columns of one outer index.
int cumulative_sum_forward_tasks(const cumulative_sum_forward_args *args) { return args->outer * channel_tasks(args->inner); }
void cumulative_sum_forward_task(const cumulative_sum_forward_args *args, int task, int thread) {
  (void)thread;
  const int blocks = channel_tasks(args->inner), inner = args->inner;
  const span block = channel_span(inner, task % blocks);
  const long first = (long)(task / blocks) * args->size * inner + (args->reverse ? (long)(args->size - 1) * inner : 0);
  const long step = args->reverse ? -inner : inner;
  for (int c = block.begin; c < block.end; c++) {
    const float *x = F32(args->x) + first + c;
    float *y = F32(args->y) + first + c, sum = 0;
    for (int t = 0; t < args->size; t++, x += step, y += step) {
      const float next = sum + *x;
      *y = args->exclusive ? sum : next;
      sum = next;
    }
  }
}
