// Reading at computed places. An index that is none leaves NaN in its place and 1 in the status word; nothing outside x is read.
#include "tasks.h"

// 0 … size − 1, or −1 for what is no index; negative ones count from the end.
static int place_of(float index, int size) {
  if (!(index >= (float)-size && index < (float)size)) return -1;
  const int whole = (int)index;
  return whole < 0 ? whole + size : whole;
}
// Several tasks may say so at once: they write the same.
INLINE void report(uint32_t status) {
  if (status) __atomic_store_n(I32(status), 0x3f800000, __ATOMIC_RELAXED); // 1.0f
}

int gather_forward_tasks(const gather_forward_args *args) { return row_tasks(args->outer * args->count, args->inner); }
void gather_forward_task(const gather_forward_args *args, int task, int thread) {
  (void)thread;
  const int inner = args->inner;
  const span part = row_span(args->outer * args->count, inner, task);
  for (int row = part.begin; row < part.end; row++) {
    const int place = place_of(F32(args->indices)[row % args->count], args->size);
    const float *x = F32(args->x) + ((long)(row / args->count) * args->size + place) * inner;
    float *y = F32(args->y) + (long)row * inner;
    if (place >= 0) {
      FOR_VECTORS(i, count, inner, store_lanes(y + i, load_lanes(x + i, count), count););
    } else {
      FOR_VECTORS(i, count, inner, store_lanes(y + i, splat(__builtin_nanf("")), count););
      report(args->status);
    }
  }
}

int gather_elements_forward_tasks(const gather_elements_forward_args *args) {
  return row_tasks(args->outer * args->count, args->inner);
}
void gather_elements_forward_task(const gather_elements_forward_args *args, int task, int thread) {
  (void)thread;
  const int inner = args->inner;
  const span part = row_span(args->outer * args->count, inner, task);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (long)(row / args->count) * args->size * inner;
    const float *indices = F32(args->indices) + (long)row * inner;
    float *y = F32(args->y) + (long)row * inner;
    for (int i = 0; i < inner; i++) {
      const int place = place_of(indices[i], args->size);
      if (place < 0) report(args->status);
      y[i] = place < 0 ? __builtin_nanf("") : x[(long)place * inner + i];
    }
  }
}

int check_range_tasks(const check_range_args *args) { return element_tasks(args->n); }
void check_range_task(const check_range_args *args, int task, int thread) {
  (void)thread;
  const span part = element_span(args->n, task);
  const float *x = F32(args->x);
  int inside = 1;
  for (int i = part.begin; i < part.end; i++) inside &= x[i] >= args->low && x[i] <= args->high;
  if (!inside) report(args->status);
}
