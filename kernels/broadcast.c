// a ∘ b of two operands that need not have the result's shape.
#include "tasks.h"

INLINE vf operand(const float *p, int step, int i, int count) { return step ? load_lanes(p + i, count) : splat(*p); }

// Defines one operation on a row of the result; u and v are the operands.
#define BROADCAST_ROW(NAME, ...)                                                                                     \
  static void NAME##_row(const float *a, int a_step, const float *b, int b_step, float *y, int n) {                  \
    FOR_VECTORS(i, count, n, const vf u = operand(a, a_step, i, count), v = operand(b, b_step, i, count);            \
                store_lanes(y + i, __VA_ARGS__, count););                                                            \
  }

BROADCAST_ROW(add, u + v)
BROADCAST_ROW(subtract, u - v)
BROADCAST_ROW(multiply, u *v)
BROADCAST_ROW(divide, u / v)
BROADCAST_ROW(larger, vmax(u, v))
BROADCAST_ROW(smaller, vmin(u, v))
BROADCAST_ROW(prelu, vselect(u < 0, u *v, u))

typedef void broadcast_row(const float *a, int a_step, const float *b, int b_step, float *y, int n);
static broadcast_row *const operations[] = {add_row,    subtract_row, multiply_row, divide_row,
                                            larger_row, smaller_row,  prelu_row};

int broadcast_forward_tasks(const broadcast_forward_args *args) {
  return row_tasks(args->size0 * args->size1 * args->size2, args->size3);
}

void broadcast_forward_task(const broadcast_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->size0 * args->size1 * args->size2, args->size3, task);
  broadcast_row *const operation = operations[args->operation];
  for (int row = part.begin; row < part.end; row++) {
    const int k = row % args->size2, j = row / args->size2 % args->size1, i = row / args->size2 / args->size1;
    const float *a = F32(args->a) + (long)i * args->a_step0 + (long)j * args->a_step1 + (long)k * args->a_step2;
    const float *b = F32(args->b) + (long)i * args->b_step0 + (long)j * args->b_step1 + (long)k * args->b_step2;
    operation(a, args->a_step3, b, args->b_step3, F32(args->y) + (long)row * args->size3, args->size3);
  }
}
