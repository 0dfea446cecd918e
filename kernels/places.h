// Places that are computed: whole numbers kept as floats.
#pragma once
#include "memory.h"
#include "simd.h"

// 0 … size − 1, or −1 for what is no index; negative ones count from the end.
INLINE int place_of(float index, int size) {
  if (!(index >= (float)-size && index < (float)size)) return -1;
  const int whole = (int)index;
  return whole < 0 ? whole + size : whole;
}
// Several tasks may say so at once: they write the same.
INLINE void report(uint32_t status) {
  if (status) __atomic_store_n(I32(status), 0x3f800000, __ATOMIC_RELAXED); // 1.0f
}
