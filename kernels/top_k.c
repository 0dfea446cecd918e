// The k first elements of each row in the order of their values.
#include "pool.h"
#include "ranked.h"
#include "tasks.h"

int top_k_forward_tasks(const top_k_forward_args *args) { return args->outer * args->inner; }

void top_k_forward_task(const top_k_forward_args *args, int task, int thread) {
  const int inner = args->inner, outer = task / inner, lane = task % inner, k = args->k;
  const ranking r = {F32(args->x) + (long)outer * args->size * inner + lane, inner, !args->largest};
  // The best so far, the last of which is the root.
  int *heap = (int *)pool_scratch(thread);
  for (int i = 0; i < k; i++) heap[i] = i;
  make_heap(&r, 1, heap, k);
  for (int i = k; i < args->size; i++) {
    if (!comes_before(&r, i, heap[0])) continue;
    heap[0] = i;
    sift_down(&r, 1, heap, k, 0);
  }
  for (int count = k; count > 0; count--) {
    const int last = heap[0];
    heap[0] = heap[count - 1];
    sift_down(&r, 1, heap, count - 1, 0);
    const long at = ((long)outer * k + count - 1) * inner + lane;
    if (args->y) F32(args->y)[at] = r.values[last * r.step];
    if (args->indices) F32(args->indices)[at] = (float)last;
  }
}
