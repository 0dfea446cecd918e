// Elements in order of their values, by heaps of indices.
#pragma once
#include "simd.h"

// Elements values[i · step]; the larger value comes first, or the smaller; of equal ones the lower index. A NaN is larger than all.
typedef struct {
  const float *values;
  long step;
  int smallest;
} ranking;

// Whole numbers in the order of the floats.
INLINE int32_t rank_key(const ranking *r, int i) {
  const float value = r->values[i * r->step] + 0.0f; // −0 is 0
  if (value != value) return r->smallest ? INT32_MIN : INT32_MAX;
  const union {
    float f;
    int32_t i;
  } bits = {value};
  const int32_t key = bits.i ^ ((bits.i >> 31) & INT32_MAX);
  return r->smallest ? ~key : key;
}

INLINE int comes_before(const ranking *r, int i, int j) {
  const int32_t a = rank_key(r, i), b = rank_key(r, j);
  return a > b || (a == b && i < j);
}

// A heap whose root comes before all others (backward 0), or after them (backward 1).
static void sift_down(const ranking *r, int backward, int *heap, int count, int at) {
  const int moved = heap[at];
  for (int child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && comes_before(r, heap[child + 1], heap[child]) != backward) child++;
    if (comes_before(r, moved, heap[child]) != backward) break;
    heap[at] = heap[child];
  }
  heap[at] = moved;
}

static void make_heap(const ranking *r, int backward, int *heap, int count) {
  for (int at = count / 2 - 1; at >= 0; at--) sift_down(r, backward, heap, count, at);
}
