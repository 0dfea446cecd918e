// What happens to the finished sums of an integer convolution: y = (sum + bias) · multiplier (+ residual) → bytes or floats.
// Every float32 operation is rounded once: these files are compiled without fused multiply-adds.
#pragma once
#include "u8_micro.h"

// Of a call.
typedef struct {
  const int32_t *bias;
  const float *multiplier;
  const uint8_t *residual; // 0: none
  uint8_t *bytes;
  float *floats; // 0: y is bytes
  int channels, row_bytes, y_zero, low, high, residual_zero;
  float residual_multiplier;
} u8_output;

#define U8_OUTPUT_OF(args)                                                                                             \
  {I32(args->bias), F32(args->multiplier), args->residual ? U8(args->residual) : 0, U8(args->y),                       \
   args->floats ? F32(args->y) : 0, args->out_channels, row_bytes_of(args->out_channels), args->y_zero, args->low,     \
   args->high, args->residual_zero, args->residual_multiplier}

// Of a panel: bias and multipliers of its columns.
typedef struct {
  vi bias[MICRO_VECTORS];
  vf multiplier[MICRO_VECTORS];
  int column;  // its first channel
  int columns; // channels that it has
  int stored;  // bytes that it writes: what fills up the last word of a position too
} u8_panel;

static inline u8_panel u8_panel_of(const u8_output *o, int column, int columns) {
  u8_panel p = {.column = column, .columns = columns, .stored = columns};
  if (column + columns == o->channels) p.stored = min_int(PANEL, o->row_bytes - column);
  for (int v = 0; v < MICRO_VECTORS; v++) {
    const int count = min_int(columns - v * LANES, LANES);
    p.bias[v] = count > 0 ? load_int_lanes(o->bias + column + v * LANES, count) : splat_word(0);
    p.multiplier[v] = count > 0 ? load_lanes(o->multiplier + column + v * LANES, count) : splat(0);
  }
  return p;
}

INLINE vf u8_scaled(vi bias, vf multiplier, const int32_t *sums) {
  return __builtin_convertvector((vi)((vu)load_words(sums) + (vu)bias), vf) * multiplier;
}

// One vector of columns of `rows` positions side by side: `lanes` of it, a constant where that is LANES.
INLINE void u8_store_vector(const u8_output *o, const u8_panel *p, const int v, const int residual, const int32_t *sums, long position,
                            int rows, const int lanes) {
  const vi bias = p->bias[v], zero = splat_word(o->y_zero), residual_zero = splat_word(o->residual_zero);
  const vf multiplier = p->multiplier[v], residual_multiplier = splat(o->residual_multiplier);
  const vf low = splat((float)(o->low - o->y_zero)), high = splat((float)(o->high - o->y_zero));
  long at = position * o->row_bytes + p->column + v * LANES;
  sums += v * LANES;
  NO_UNROLL
  for (int r = 0; r < rows; r++, sums += PANEL, at += o->row_bytes) {
    vf value = u8_scaled(bias, multiplier, sums);
    if (residual)
      value += __builtin_convertvector(load_bytes(o->residual + at, lanes) - residual_zero, vf) * residual_multiplier;
    store_bytes(o->bytes + at, to_byte_lanes(value, low, high, zero), lanes);
  }
}

NOINLINE static void u8_store_tail(const u8_output *o, const u8_panel *p, int v, const int32_t *sums, long position, int rows, int lanes) {
  if (o->residual) u8_store_vector(o, p, v, 1, sums, position, rows, lanes);
  else u8_store_vector(o, p, v, 0, sums, position, rows, lanes);
}

NOINLINE static void u8_store_bytes(const u8_output *o, const u8_panel *p, const int32_t *sums, long position, int rows) {
  for (int v = 0; v * LANES < p->stored; v++) {
    const int lanes = p->stored - v * LANES;
    if (lanes < LANES) u8_store_tail(o, p, v, sums, position, rows, lanes);
    else if (o->residual) u8_store_vector(o, p, v, 1, sums, position, rows, LANES);
    else u8_store_vector(o, p, v, 0, sums, position, rows, LANES);
  }
}

NOINLINE static void u8_store_floats(const u8_output *o, const u8_panel *p, const int32_t *sums, long position, int rows) {
  for (int v = 0; v * LANES < p->columns; v++) {
    const int lanes = min_int(LANES, p->columns - v * LANES);
    float *y = o->floats + position * o->channels + p->column + v * LANES;
    for (int r = 0; r < rows; r++, y += o->channels)
      store_lanes(y, u8_scaled(p->bias[v], p->multiplier[v], sums + r * PANEL + v * LANES), lanes);
  }
}

// sums [rows][PANEL] of positions side by side; position: the first, all images counted.
INLINE void u8_store(const u8_output *o, const u8_panel *p, const int32_t *sums, long position, int rows) {
  if (o->floats) u8_store_floats(o, p, sums, position, rows);
  else u8_store_bytes(o, p, sums, position, rows);
}
