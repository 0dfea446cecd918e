// What happens to a finished row of a panel.
#pragma once
#include "conv_micro.h"

// y = max(0, sums + bias + y), parts as wanted.
static inline void output_store(const float *sums, const float *bias, int columns, int relu, int accumulate, float *y) {
  if (columns == PANEL) {
    for (int c = 0; c < PANEL; c += LANES) {
      vf v = load(sums + c);
      if (bias) v += load(bias + c);
      if (accumulate) v += load(y + c);
      if (relu) v = vmax(v, splat(0));
      store(y + c, v);
    }
    return;
  }
  for (int c = 0; c < columns; c++) {
    float v = sums[c];
    if (bias) v += bias[c];
    if (accumulate) v += y[c];
    y[c] = relu && v < 0 ? 0 : v;
  }
}
