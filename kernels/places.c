// Values that only change places: concatenation, padding, cropping, resizing by the nearest neighbour.
#include "tasks.h"

INLINE void copy_row(const float *x, float *y, int n) {
  FOR_VECTORS(i, count, n, store_lanes(y + i, load_lanes(x + i, count), count););
}
INLINE void fill_row(float *y, int n, float value) {
  FOR_VECTORS(i, count, n, store_lanes(y + i, splat(value), count););
}

int copy_columns_tasks(const copy_columns_args *args) { return row_tasks(args->rows, args->columns); }
void copy_columns_task(const copy_columns_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->columns, task);
  for (int row = part.begin; row < part.end; row++)
    copy_row(F32(args->x) + (long)row * args->columns, F32(args->y) + (long)row * args->row_words, args->columns);
}

INLINE int is_inside(int i, int size) { return i >= 0 && i < size; }

int pad_forward_tasks(const pad_forward_args *args) { return row_tasks(args->out0 * args->out1 * args->out2, args->out3); }
void pad_forward_task(const pad_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->out0 * args->out1 * args->out2, args->out3, task);
  // Of a row: [0, from) and [to, out3) lie outside.
  const int from = min_int(args->out3, args->begin3 < 0 ? 0 : args->begin3);
  const int end = min_int(args->out3, args->begin3 + args->in3), to = end < from ? from : end;
  for (int row = part.begin; row < part.end; row++) {
    const int i = row / args->out2 / args->out1 - args->begin0, j = row / args->out2 % args->out1 - args->begin1;
    const int k = row % args->out2 - args->begin2;
    float *y = F32(args->y) + (long)row * args->out3;
    if (is_inside(i, args->in0) && is_inside(j, args->in1) && is_inside(k, args->in2)) {
      const float *x = F32(args->x) + ((long)(i * args->in1 + j) * args->in2 + k) * args->in3;
      fill_row(y, from, args->value);
      copy_row(x + from - args->begin3, y + from, to - from);
      fill_row(y + to, args->out3 - to, args->value);
    } else {
      fill_row(y, args->out3, args->value);
    }
  }
}

int resize_nearest_forward_tasks(const resize_nearest_forward_args *args) {
  return row_tasks(args->batch * args->out_height, args->out_width * args->channels);
}
void resize_nearest_forward_task(const resize_nearest_forward_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels;
  const span part = row_span(args->batch * args->out_height, args->out_width * channels, task);
  const float *source_y = F32(args->source_y), *source_x = F32(args->source_x);
  for (int line = part.begin; line < part.end; line++) {
    const int from = line / args->out_height * args->in_height + (int)source_y[line % args->out_height];
    const float *x = F32(args->x) + (long)from * args->in_width * channels;
    float *y = F32(args->y) + (long)line * args->out_width * channels;
    for (int column = 0; column < args->out_width; column++)
      copy_row(x + (long)source_x[column] * channels, y + (long)column * channels, channels);
  }
}
