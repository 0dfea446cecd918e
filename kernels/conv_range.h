#pragma once
#include "simd.h"

// Output positions of an axis whose tap lies inside the input: [*from, *to).
static inline void inside_range(int size, int out_size, int stride, int offset, int *from, int *to) {
  *from = offset < 0 ? ceil_div(-offset, stride) : 0;
  const int last = size - 1 - offset;
  *to = last < 0 ? 0 : min_int(last / stride + 1, out_size);
}
