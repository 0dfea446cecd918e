#include "math_functions.h"
#include "tasks.h"

static float row_max(const float *x, int classes) {
  float max = x[0];
  int i = 0;
  if (classes >= LANES) {
    vf best = load(x);
    for (i = LANES; i <= classes - LANES; i += LANES) best = vmax(best, load(x + i));
    max = max_lanes(best);
  }
  for (; i < classes; i++) max = max < x[i] ? x[i] : max;
  return max;
}

// y = exp(x − max) where y is given; the sum of these. A NaN anywhere makes the sum NaN.
static float exp_row(const float *x, float max, float *y, int classes) {
  const vf shift = splat(max);
  vf sum = splat(0);
  FOR_VECTORS(i, count, classes,
    vf value = vexp(load_lanes(x + i, count) - shift);
    if (y) store_lanes(y + i, value, count);
    if (count == LANES) sum += value;
    else for (int k = 0; k < count; k++) sum[k] += value[k];);
  return sum_lanes(sum);
}

// Σ t · (top − x) where t ≠ 0
static float cross_entropy_row(const float *x, const float *t, float top, int classes) {
  const vf tops = splat(top);
  vf sum = splat(0);
  FOR_VECTORS(i, count, classes,
    vf target = load_lanes(t + i, count);
    vf term = target * (tops - load_lanes(x + i, count));
    sum += vselect(target != 0, term, splat(0)););
  return sum_lanes(sum);
}

int softmax_cross_entropy_tasks(const softmax_cross_entropy_args *args) {
  return row_tasks(args->batch, 8 * args->classes);
}
void softmax_cross_entropy_task(const softmax_cross_entropy_args *args, int task, int thread) {
  (void)thread;
  const int classes = args->classes;
  const span part = row_span(args->batch, 8 * classes, task);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->logits) + (size_t)row * classes, *t = F32(args->targets) + (size_t)row * classes;
    float *d = args->dlogits ? F32(args->dlogits) + (size_t)row * classes : 0;
    const float max = row_max(x, classes), sum = exp_row(x, max, d, classes);
    F32(args->loss)[row] = cross_entropy_row(x, t, max + log_positive(sum), classes);
    if (!d) continue;
    const vf normalise = splat(1 / sum), scale = splat(args->gradient_scale);
    FOR_VECTORS(i, count, classes,
      store_lanes(d + i, (load_lanes(d + i, count) * normalise - load_lanes(t + i, count)) * scale, count););
  }
}

int softmax_forward_tasks(const softmax_forward_args *args) { return row_tasks(args->rows, 8 * args->classes); }
void softmax_forward_task(const softmax_forward_args *args, int task, int thread) {
  (void)thread;
  const int classes = args->classes;
  const span part = row_span(args->rows, 8 * classes, task);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (size_t)row * classes;
    float *y = F32(args->y) + (size_t)row * classes;
    const float sum = exp_row(x, row_max(x, classes), y, classes);
    const vf normalise = splat(1 / sum);
    FOR_VECTORS(i, count, classes, store_lanes(y + i, load_lanes(y + i, count) * normalise, count););
  }
}

int log_softmax_forward_tasks(const log_softmax_forward_args *args) { return row_tasks(args->rows, 8 * args->classes); }
void log_softmax_forward_task(const log_softmax_forward_args *args, int task, int thread) {
  (void)thread;
  const int classes = args->classes;
  const span part = row_span(args->rows, 8 * classes, task);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (size_t)row * classes;
    float *y = F32(args->y) + (size_t)row * classes;
    const float max = row_max(x, classes), sum = exp_row(x, max, 0, classes);
    const vf shift = splat(max), log_sum = splat(log_positive(sum));
    FOR_VECTORS(i, count, classes, store_lanes(y + i, load_lanes(x + i, count) - shift - log_sum, count););
  }
}
