// What happens to the finished sums of a panel: y = max(floor, sums + bias (+ y)).
#pragma once
#include "conv_micro.h"

typedef struct {
  vf bias[2], floor;
  int columns, accumulate;
} output_panel;

// bias: of the panel's first column, or 0. Without relu the floor is −∞.
static inline output_panel output_of(const float *bias, int columns, int relu, int accumulate) {
  output_panel o = {{splat(0), splat(0)}, splat(relu ? 0 : -__builtin_inff()), columns, accumulate};
  if (bias) {
    o.bias[0] = load_lanes(bias, min_int(columns, LANES));
    o.bias[1] = load_lanes(bias + LANES, min_int(columns - LANES, LANES));
  }
  return o;
}

NOINLINE static void output_store_part(const output_panel *o, const float *sums, float *y) {
  for (int half = 0; half * LANES < o->columns; half++, sums += LANES, y += LANES) {
    const int count = min_int(o->columns - half * LANES, LANES);
    vf v = load(sums) + o->bias[half];
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
  vf v0 = load(sums) + o->bias[0], v1 = load(sums + LANES) + o->bias[1];
  if (o->accumulate) v0 += load(y), v1 += load(y + LANES);
  store(y, vmax(v0, o->floor));
  store(y + LANES, vmax(v1, o->floor));
}
