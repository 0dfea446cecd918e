// What happens to the finished sums of a panel: y = max(floor, sums + bias (+ y)).
#pragma once
#include "conv_micro.h"

typedef struct {
  vf bias[MICRO_VECTORS], floor;
  int columns, accumulate;
} output_panel;

// bias: of the panel's first column, or 0. Without relu the floor is −∞.
static inline output_panel output_of(const float *bias, int columns, int relu, int accumulate) {
  output_panel o = {{splat(0)}, splat(relu ? 0 : -__builtin_inff()), columns, accumulate};
  for (int v = 0; bias && v * LANES < columns; v++)
    o.bias[v] = load_lanes(bias + v * LANES, min_int(columns - v * LANES, LANES));
  return o;
}

NOINLINE static void output_store_part(const output_panel *o, const float *sums, float *y) {
  for (int part = 0; part * LANES < o->columns; part++, sums += LANES, y += LANES) {
    const int count = min_int(o->columns - part * LANES, LANES);
    vf v = load(sums) + o->bias[part];
    if (o->accumulate) v += load_lanes(y, count);
    store_lanes(y, vmax(v, o->floor), count);
  }
}

// sums: one row of the panel; y: where its first column belongs.
INLINE void output_store(const output_panel *o, const float *sums, float *y) {
  if (o->columns < PANEL) {
    output_store_part(o, sums, y);
    return;
  }
  vf values[MICRO_VECTORS];
  UNROLL
  for (int v = 0; v < MICRO_VECTORS; v++) values[v] = load(sums + v * LANES) + o->bias[v];
  if (o->accumulate) {
    UNROLL
    for (int v = 0; v < MICRO_VECTORS; v++) values[v] += load(y + v * LANES);
  }
  UNROLL
  for (int v = 0; v < MICRO_VECTORS; v++) store(y + v * LANES, vmax(values[v], o->floor));
}
