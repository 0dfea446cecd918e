// Rows brought to one scale: x [rows][n], each row by its own mean and variance, mean square or norm.
#include "double_functions.h"
#include "tasks.h"

enum { STANDARD, ROOT_MEAN_SQUARE, NORM1, NORM2 };
enum { PLAIN, MAGNITUDES, SQUARES };

// Σ of (x − shift), its magnitude or square: lane by lane in double, then the lanes in order.
static double sum_row(const float *x, int n, double shift, int kind) {
  vd total = splat_double(0);
  const vd shifts = splat_double(shift);
  FOR_VECTORS(i, count, n,
    vd value = widen(load_lanes(x + i, count)) - shifts;
    if (kind != PLAIN) value = kind == SQUARES ? value * value : vabs_double(value);
    if (count == LANES) total += value;
    else for (int k = 0; k < count; k++) total[k] += value[k];);
  double sum = 0;
  for (int lane = 0; lane < LANES; lane++) sum += total[lane];
  return sum;
}

// A row of norm 0 stays 0.
static double factor_of(const float *x, int n, double mean, int operation, double epsilon) {
  if (operation == NORM1 || operation == NORM2) {
    const double sum = sum_row(x, n, 0, operation == NORM1 ? MAGNITUDES : SQUARES);
    const double norm = operation == NORM1 ? sum : __builtin_sqrt(sum);
    return norm == 0 ? 0 : 1 / norm;
  }
  return 1 / __builtin_sqrt(sum_row(x, n, mean, SQUARES) / n + epsilon);
}

// y = (x − mean) · factor · scale + bias; step 0: one scale and bias for all of them
static void normalize_run(const float *x, float *y, int n, double mean, double factor, const float *scale, const float *bias, int step) {
  const vd means = splat_double(mean), factors = splat_double(factor);
  FOR_VECTORS(i, count, n,
    vf value = narrow((widen(load_lanes(x + i, count)) - means) * factors);
    if (scale) value *= step ? load_lanes(scale + i, count) : splat(*scale);
    if (bias) value += step ? load_lanes(bias + i, count) : splat(*bias);
    store_lanes(y + i, value, count););
}

int normalize_forward_tasks(const normalize_forward_args *args) { return row_tasks(args->rows, 2 * args->n); }
void normalize_forward_task(const normalize_forward_args *args, int task, int thread) {
  (void)thread;
  const int n = args->n, run = args->run, width = run == 1 ? n : run;
  const span part = row_span(args->rows, 2 * n, task);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (long)row * n;
    float *y = F32(args->y) + (long)row * n;
    const double mean = args->operation == STANDARD ? sum_row(x, n, 0, PLAIN) / n : 0;
    const double factor = factor_of(x, n, mean, args->operation, args->epsilon);
    if (args->statistic) {
      F32(args->y)[row] = (float)(args->statistic == 1 ? mean : factor);
      continue;
    }
    const long first = (long)(row % args->groups) * (n / run);
    const float *scale = args->scale ? F32(args->scale) + first : 0, *bias = args->bias ? F32(args->bias) + first : 0;
    for (int i = 0; i < n; i += width) {
      normalize_run(x + i, y + i, width, mean, factor, scale, bias, run == 1);
      if (scale) scale++;
      if (bias) bias++;
    }
  }
}

// y = x / (bias + alpha · Σ x²)^beta, the sum over `before` channels before it, itself and `behind` behind it
int local_response_forward_tasks(const local_response_forward_args *args) { return row_tasks(args->rows, 8 * args->channels); }
void local_response_forward_task(const local_response_forward_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels;
  const span part = row_span(args->rows, 8 * channels, task);
  for (int row = part.begin; row < part.end; row++) {
    const float *x = F32(args->x) + (long)row * channels;
    float *y = F32(args->y) + (long)row * channels;
    for (int first = 0; first < channels; first += LANES) {
      const int count = min_int(LANES, channels - first);
      vd sums = splat_double(0);
      for (int lane = 0; lane < count; lane++) {
        const int begin = first + lane - args->before, end = min_int(channels, first + lane + args->behind + 1);
        double sum = 0;
        for (int c = begin < 0 ? 0 : begin; c < end; c++) sum += (double)x[c] * x[c];
        sums[lane] = sum;
      }
      const vf base = narrow((double)args->bias + (double)args->alpha * sums);
      store_lanes(y + first, load_lanes(x + first, count) * vpow(base, splat(-args->beta)), count);
    }
  }
}
