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

INLINE vf u8_scaled(const u8_panel *p, int v, const int32_t *sums) {
  const vi sum = (vi)((vu)load_words(sums + v * LANES) + (vu)p->bias[v]);
  return __builtin_convertvector(sum, vf) * p->multiplier[v];
}

NOINLINE static void u8_store_floats(const u8_output *o, const u8_panel *p, const int32_t *sums, long position) {
  float *y = o->floats + position * o->channels + p->column;
  for (int v = 0; v * LANES < p->columns; v++) store_lanes(y + v * LANES, u8_scaled(p, v, sums), min_int(LANES, p->columns - v * LANES));
}

INLINE void u8_store_lanes(const u8_output *o, const u8_panel *p, const int32_t *sums, long at, int v, int count) {
  vf value = u8_scaled(p, v, sums);
  if (o->residual) {
    const vi residual = load_bytes(o->residual + at + v * LANES, count) - splat_word(o->residual_zero);
    value += __builtin_convertvector(residual, vf) * splat(o->residual_multiplier);
  }
  const vf low = splat((float)(o->low - o->y_zero)), high = splat((float)(o->high - o->y_zero));
  store_bytes(o->bytes + at + v * LANES, to_byte_lanes(value, low, high, splat_word(o->y_zero)), count);
}

NOINLINE static void u8_store_part(const u8_output *o, const u8_panel *p, const int32_t *sums, long at) {
  for (int v = 0; v * LANES < p->stored; v++) u8_store_lanes(o, p, sums, at, v, min_int(LANES, p->stored - v * LANES));
}

// sums: one row of the panel; position: of the output, all images counted.
INLINE void u8_store(const u8_output *o, const u8_panel *p, const int32_t *sums, long position) {
  const long at = position * o->row_bytes + p->column;
  if (o->floats) u8_store_floats(o, p, sums, position);
  else if (p->stored < PANEL) u8_store_part(o, p, sums, at);
  else {
    UNROLL
    for (int v = 0; v < MICRO_VECTORS; v++) u8_store_lanes(o, p, sums, at, v, LANES);
  }
}
