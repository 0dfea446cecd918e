// a ∘ b of two operands that need not have the result's shape.
#include "double_functions.h"
#include "tasks.h"

INLINE vf operand(const float *p, int step, int i, int count) { return step ? load_lanes(p + i, count) : splat(*p); }

INLINE vf truth(vi mask) { return vselect(mask, splat(1), splat(0)); }

// a / b toward zero, of whole numbers
static vf whole_quotient(vf a, vf b) {
  const vf quotient = a / b, magnitude = (vf)((vi)quotient & 0x7fffffff);
  return (vf)((vi)vfloor(magnitude) | ((vi)quotient & (int32_t)0x80000000));
}

// What is left of a after all of b that fit, exactly; with the sign of a.
static float remainder_of(float a, float b) {
  double rest = __builtin_fabs(a), divisor = __builtin_fabs(b);
  if (!(rest < __builtin_inf()) || !(divisor > 0)) return __builtin_nanf("");
  if (divisor < __builtin_inf()) {
    double unit = divisor; // b · 2ᵏ, such that the quotient has no more digits than a product of double can hold
    while (rest / unit >= 0x1p28) unit *= 0x1p28;
    for (;; unit *= 0x1p-28) {
      rest -= __builtin_floor(rest / unit) * unit;
      if (unit <= divisor) break;
    }
  } else if (divisor != divisor) return b;
  return (float)(a < 0 ? -rest : rest);
}
static __attribute__((noinline)) vf remainders(vf a, vf b) {
  for (int lane = 0; lane < LANES; lane++) a[lane] = remainder_of(a[lane], b[lane]);
  return a;
}
// The same with the sign of b.
INLINE vf moduli(vf a, vf b) {
  const vf rest = remainders(a, b);
  return vselect((rest != 0) & ((rest < 0) ^ (b < 0)), rest + b, rest);
}

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

// The rarer ones are functions of one vector in one loop.
#define BROADCAST_VECTOR(NAME, ...) \
  static vf NAME(vf u, vf v) { return __VA_ARGS__; }

BROADCAST_VECTOR(equal, truth(u == v))
BROADCAST_VECTOR(greater, truth(u > v))
BROADCAST_VECTOR(greater_or_equal, truth(u >= v))
BROADCAST_VECTOR(both, truth((u != 0) & (v != 0)))
BROADCAST_VECTOR(either, truth((u != 0) | (v != 0)))
BROADCAST_VECTOR(one_of, truth((u != 0) ^ (v != 0)))
BROADCAST_VECTOR(modulus, moduli(u, v))

typedef void broadcast_row(const float *a, int a_step, const float *b, int b_step, float *y, int n);
static broadcast_row *const operations[] = {add_row,    subtract_row, multiply_row, divide_row,
                                            larger_row, smaller_row,  prelu_row};
enum { ROW_OPERATIONS = sizeof operations / sizeof *operations };

typedef vf broadcast_vector(vf u, vf v);
static broadcast_vector *const vector_operations[] = {vpow,   equal,  greater,        greater_or_equal, both,
                                                      either, one_of, whole_quotient, remainders,       modulus};

static void vectors_row(broadcast_vector *operation, const float *a, int a_step, const float *b, int b_step, float *y, int n) {
  for (int i = 0; i < n; i += LANES) {
    const int count = min_int(LANES, n - i);
    store_lanes(y + i, operation(operand(a, a_step, i, count), operand(b, b_step, i, count)), count);
  }
}

int broadcast_forward_tasks(const broadcast_forward_args *args) {
  return row_tasks(args->size0 * args->size1 * args->size2, args->size3);
}

void broadcast_forward_task(const broadcast_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->size0 * args->size1 * args->size2, args->size3, task);
  const int operation = args->operation;
  for (int row = part.begin; row < part.end; row++) {
    const int k = row % args->size2, j = row / args->size2 % args->size1, i = row / args->size2 / args->size1;
    const float *a = F32(args->a) + (long)i * args->a_step0 + (long)j * args->a_step1 + (long)k * args->a_step2;
    const float *b = F32(args->b) + (long)i * args->b_step0 + (long)j * args->b_step1 + (long)k * args->b_step2;
    float *y = F32(args->y) + (long)row * args->size3;
    if (operation < ROW_OPERATIONS) operations[operation](a, args->a_step3, b, args->b_step3, y, args->size3);
    else vectors_row(vector_operations[operation - ROW_OPERATIONS], a, args->a_step3, b, args->b_step3, y, args->size3);
  }
}

int select_forward_tasks(const select_forward_args *args) {
  return row_tasks(args->size0 * args->size1 * args->size2, args->size3);
}

void select_forward_task(const select_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->size0 * args->size1 * args->size2, args->size3, task);
  for (int row = part.begin; row < part.end; row++) {
    const int k = row % args->size2, j = row / args->size2 % args->size1, i = row / args->size2 / args->size1;
    const float *c = F32(args->c) + (long)i * args->c_step0 + (long)j * args->c_step1 + (long)k * args->c_step2;
    const float *a = F32(args->a) + (long)i * args->a_step0 + (long)j * args->a_step1 + (long)k * args->a_step2;
    const float *b = F32(args->b) + (long)i * args->b_step0 + (long)j * args->b_step1 + (long)k * args->b_step2;
    float *y = F32(args->y) + (long)row * args->size3;
    FOR_VECTORS(l, count, args->size3,
      store_lanes(y + l, vselect(operand(c, args->c_step3, l, count) != 0, operand(a, args->a_step3, l, count),
                                 operand(b, args->b_step3, l, count)), count););
  }
}
