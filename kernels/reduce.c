// Sums, means, extremes, norms over an axis: x [outer][size][inner] → y [outer][inner]. Sums are made in double, in one fixed order.
#include "double_functions.h"
#include "tasks.h"

enum { SUM, MEAN, MAX, MIN, PRODUCT, L1, L2, SUM_OF_SQUARES, LOG_SUM, LOG_SUM_EXP };

// What an element adds to the sum.
INLINE vd mapped(int operation, vd x, vd shift) {
  switch (operation) {
  case L1: return vabs_double(x);
  case L2:
  case SUM_OF_SQUARES: return x * x;
  case LOG_SUM_EXP: return exp_double(x - shift);
  default: return x;
  }
}
// Of two results; a NaN on either side stays.
INLINE double joined(int operation, double a, double b) {
  if (operation == PRODUCT) return a * b;
  if (operation == MAX || operation == MIN) return b != b || (operation == MAX ? b > a : b < a) ? b : a;
  return a + b;
}
INLINE double neutral(int operation) {
  return operation == MAX ? -__builtin_inf() : operation == MIN ? __builtin_inf() : operation == PRODUCT;
}

// Down `rows` rows of `count` columns, `step` words apart.
static vd reduce_columns(const float *x, long step, int rows, int count, int operation, vd shift) {
  if (operation == MAX || operation == MIN) {
    const vf sign = splat(operation == MAX ? 1 : -1);
    vf best = splat(-__builtin_inff());
    for (int row = 0; row < rows; row++, x += step) {
      const vf value = load_lanes(x, count) * sign;
      best = vselect((value > best) | (value != value), value, best);
    }
    return widen(best * sign);
  }
  vd total = splat_double(neutral(operation));
  for (int row = 0; row < rows; row++, x += step) {
    const vd value = mapped(operation, widen(load_lanes(x, count)), shift);
    total = operation == PRODUCT ? total * value : total + value;
  }
  return total;
}

// The n elements of a row, lane by lane, then the lanes in order; the same value in all lanes.
static vd reduce_row(const float *x, int n, int operation, vd shift) {
  double total = neutral(operation);
  const int rows = n / LANES, count = n % LANES;
  if (rows > 0) {
    const vd parts = reduce_columns(x, LANES, rows, LANES, operation, shift);
    for (int lane = 0; lane < LANES; lane++) total = joined(operation, total, parts[lane]);
  }
  if (count > 0) {
    const vd rest = reduce_columns(x + (long)rows * LANES, LANES, 1, count, operation, shift);
    for (int lane = 0; lane < count; lane++) total = joined(operation, total, rest[lane]);
  }
  return splat_double(total);
}

// ln of a sum that may be rounded to float32 only after it.
static vd log_of_sum(vd sum) {
  const vf rounded = narrow(sum);
  const vd lost = sum / widen(rounded) - 1.0;
  return log_double(rounded) + vselect_double(vabs_double(lost) < 1e-6, lost, splat_double(0)); // NaN where the sum is 0 or ∞
}

static vf finished(int operation, vd total, vd shift, vd extreme, int size) {
  switch (operation) {
  case MEAN: return narrow(total / (double)size);
  case L2: {
    vd root;
    for (int lane = 0; lane < LANES; lane++) root[lane] = __builtin_sqrt(total[lane]);
    return narrow(root);
  }
  case LOG_SUM: return narrow(log_of_sum(total));
  case LOG_SUM_EXP: return narrow(vselect_double(extreme == shift, shift + log_of_sum(total), extreme));
  default: return narrow(total);
  }
}

typedef struct {
  const float *x;
  long step;
  int size, count;
} reduced;

// A single row gives its result in all lanes.
static vd reduce(reduced r, int operation, vd shift) {
  return r.step == 1 ? reduce_row(r.x, r.size, operation, shift) : reduce_columns(r.x, r.step, r.size, r.count, operation, shift);
}

static void reduce_to(reduced r, int operation, float *y) {
  vd shift = splat_double(0), extreme = shift;
  if (operation == LOG_SUM_EXP) {
    extreme = reduce(r, MAX, shift);
    shift = vselect_double(vabs_double(extreme) < __builtin_inf(), extreme, shift);
  }
  store_lanes(y, finished(operation, reduce(r, operation, shift), shift, extreme, r.size), r.count);
}

// A task is some vectors of results.
int reduce_forward_tasks(const reduce_forward_args *args) {
  return row_tasks(args->outer * ceil_div(args->inner, 16), args->size * min_int(args->inner, 16));
}
void reduce_forward_task(const reduce_forward_args *args, int task, int thread) {
  (void)thread;
  const int blocks = ceil_div(args->inner, 16);
  const span part = row_span(args->outer * blocks, args->size * min_int(args->inner, 16), task);
  for (int at = part.begin; at < part.end; at++) {
    const int outer = at / blocks, first = at % blocks * 16, last = min_int(args->inner, first + 16);
    for (int column = first; column < last; column += LANES) {
      const float *x = F32(args->x) + (long)outer * args->size * args->inner + column;
      const reduced r = {x, args->inner, args->size, min_int(LANES, last - column)};
      reduce_to(r, args->operation, F32(args->y) + (long)outer * args->inner + column);
    }
  }
}

int arg_extreme_forward_tasks(const arg_extreme_forward_args *args) {
  return row_tasks(args->outer * args->inner, args->size);
}
void arg_extreme_forward_task(const arg_extreme_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->outer * args->inner, args->size, task);
  const float sign = args->largest ? 1 : -1;
  for (int at = part.begin; at < part.end; at++) {
    const float *x = F32(args->x) + (long)(at / args->inner) * args->size * args->inner + at % args->inner;
    float best = sign * *x;
    int found = 0;
    for (int i = 1; i < args->size; i++) {
      const float value = sign * x[(long)i * args->inner];
      if (value > best || (args->last && value == best)) best = value, found = i;
    }
    F32(args->y)[at] = (float)found;
  }
}
