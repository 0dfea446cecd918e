// Bytes to bytes, to floats and back, one by one. Rows are positions: a task is some of them.
#include "tasks.h"
#include "u8_simd.h"

// What results are clamped to, less the zero point that is added last.
typedef struct {
  vf low, high;
  vi zero;
} u8_target;

INLINE u8_target u8_target_of(int zero, int low, int high) {
  return (u8_target){splat((float)(low - zero)), splat((float)(high - zero)), splat_word(zero)};
}
INLINE vi u8_finish(vf v, u8_target t) { return to_byte_lanes(v, t.low, t.high, t.zero); }
INLINE vf u8_difference(vi x, int zero) { return __builtin_convertvector(x - splat_word(zero), vf); }

int u8_quantize_forward_tasks(const u8_quantize_forward_args *args) { return row_tasks(args->rows, args->channels); }
void u8_quantize_forward_task(const u8_quantize_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->channels, task);
  const int channels = args->channels, row_bytes = row_bytes_of(channels);
  const u8_target target = u8_target_of(args->y_zero, 0, 255);
  const vf scale = splat(args->scale);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (long)row * channels;
    uint8_t *y = U8(args->y) + (long)row * row_bytes;
    FOR_VECTORS(c, count, channels, store_bytes(y + c, u8_finish(load_lanes(x + c, count) / scale, target), count););
    for (int c = channels; c < row_bytes; c++) y[c] = (uint8_t)args->y_zero;
  }
}

int u8_dequantize_forward_tasks(const u8_dequantize_forward_args *args) { return row_tasks(args->rows, args->channels); }
void u8_dequantize_forward_task(const u8_dequantize_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->channels, task);
  const int channels = args->channels, zero = args->x_zero;
  const vf scale = splat(args->scale);
  for (int row = part.begin; row < part.end; row++) {
    const uint8_t *x = U8(args->x) + (long)row * row_bytes_of(channels);
    float *y = F32(args->y) + (long)row * channels;
    FOR_VECTORS(c, count, channels, store_lanes(y + c, u8_difference(load_bytes(x + c, count), zero) * scale, count););
  }
}

int u8_requantize_forward_tasks(const u8_requantize_forward_args *args) { return row_tasks(args->rows, args->channels); }
void u8_requantize_forward_task(const u8_requantize_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->channels, task);
  const int zero = args->x_zero;
  const u8_target target = u8_target_of(args->y_zero, args->low, args->high);
  const vf multiplier = splat(args->multiplier);
  for (int row = part.begin; row < part.end; row++) {
    const uint8_t *x = U8(args->x) + (long)row * args->x_row + args->x_offset;
    uint8_t *y = U8(args->y) + (long)row * args->y_row + args->y_offset;
    FOR_VECTORS(c, count, args->channels,
                store_bytes(y + c, u8_finish(u8_difference(load_bytes(x + c, count), zero) * multiplier, target), count););
  }
}

int u8_table_forward_tasks(const u8_table_forward_args *args) { return row_tasks(args->rows, args->channels); }
void u8_table_forward_task(const u8_table_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->channels, task);
  const long table_step = args->by_channel ? 256 : 0;
  for (int row = part.begin; row < part.end; row++) {
    const uint8_t *x = U8(args->x) + (long)row * args->x_row + args->x_offset, *table = U8(args->table);
    uint8_t *y = U8(args->y) + (long)row * args->y_row + args->y_offset;
    for (int c = 0; c < args->channels; c++, table += table_step) y[c] = table[x[c]];
  }
}

int u8_add_forward_tasks(const u8_add_forward_args *args) { return element_tasks(args->n); }
void u8_add_forward_task(const u8_add_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = element_span(args->n, task);
  const uint8_t *a = U8(args->a) + part.begin, *b = U8(args->b) + part.begin;
  uint8_t *y = U8(args->y) + part.begin;
  const u8_target target = u8_target_of(args->y_zero, args->low, args->high);
  const vf a_multiplier = splat(args->a_multiplier), b_multiplier = splat(args->b_multiplier);
  const int a_zero = args->a_zero, b_zero = args->b_zero;
  FOR_VECTORS(i, count, part.end - part.begin, {
    const vf left = u8_difference(load_bytes(a + i, count), a_zero) * a_multiplier;
    const vf right = u8_difference(load_bytes(b + i, count), b_zero) * b_multiplier;
    store_bytes(y + i, u8_finish(left + right, target), count);
  });
}

int u8_multiply_channel_forward_tasks(const u8_multiply_channel_forward_args *args) {
  return row_tasks(args->batch * args->positions, args->channels);
}
void u8_multiply_channel_forward_task(const u8_multiply_channel_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->batch * args->positions, args->channels, task);
  const int row_bytes = row_bytes_of(args->channels);
  const u8_target target = u8_target_of(args->y_zero, args->low, args->high);
  const vf multiplier = splat(args->multiplier);
  const vi x_zero = splat_word(args->x_zero), scale_zero = splat_word(args->scale_zero);
  for (int row = part.begin; row < part.end; row++) {
    const uint8_t *x = U8(args->x) + (long)row * row_bytes, *scale = U8(args->scale) + (long)(row / args->positions) * row_bytes;
    uint8_t *y = U8(args->y) + (long)row * row_bytes;
    FOR_VECTORS(c, count, row_bytes, {
      const vi product = (load_bytes(x + c, count) - x_zero) * (load_bytes(scale + c, count) - scale_zero);
      store_bytes(y + c, u8_finish(__builtin_convertvector(product, vf) * multiplier, target), count);
    });
  }
}
