#include "tasks.h"

// --- statistics ---

INLINE span chunk_span(int rows, int chunk, int task) {
  return (span){task * chunk, min_int(rows, task * chunk + chunk)};
}

// Rows that are added up before they go into a sum in memory: fewer loads and stores, and smaller rounding errors.
#define ROWS_AT_ONCE 4

// sum[c] += Σ_row x[row][c] − origin[c], `rows` rows
INLINE void add_deviations(int rows, const float *x, int channels, const float *origin, float *sum) {
  FOR_VECTORS(c, count, channels,
    const vf from = load_lanes(origin + c, count);
    vf total = load_lanes(x + c, count) - from;
    for (int row = 1; row < rows; row++) total += load_lanes(x + (size_t)row * channels + c, count) - from;
    store_lanes(sum + c, load_lanes(sum + c, count) + total, count););
}

// sum[c] += Σ_row (x[row][c] − mean[c])², `rows` rows
INLINE void add_squares(int rows, const float *x, int channels, const float *mean, float *sum) {
  FOR_VECTORS(c, count, channels,
    const vf from = load_lanes(mean + c, count);
    vf d = load_lanes(x + c, count) - from;
    vf total = d * d;
    for (int row = 1; row < rows; row++) {
      d = load_lanes(x + (size_t)row * channels + c, count) - from;
      total += d * d;
    }
    store_lanes(sum + c, load_lanes(sum + c, count) + total, count););
}

// Two passes over a chunk, which a cache holds, the first relative to the chunk's first row: no difference of large
// sums is ever taken, whatever the mean.
int batch_norm_statistics_partial_tasks(const batch_norm_statistics_partial_args *args) {
  return ceil_div(args->rows, args->chunk);
}
void batch_norm_statistics_partial_task(const batch_norm_statistics_partial_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels;
  const span part = chunk_span(args->rows, args->chunk, task);
  const int rows = part.end - part.begin, whole = rows - rows % ROWS_AT_ONCE;
  const float *x = F32(args->x) + (size_t)part.begin * channels;
  float *mean = F32(args->partial) + (size_t)task * 2 * channels, *m2 = mean + channels;
  FOR_VECTORS(c, count, channels, store_lanes(mean + c, splat(0), count); store_lanes(m2 + c, splat(0), count););
  for (int row = 0; row < whole; row += ROWS_AT_ONCE) {
    add_deviations(ROWS_AT_ONCE, x + (size_t)row * channels, channels, x, mean);
  }
  for (int row = whole; row < rows; row++) add_deviations(1, x + (size_t)row * channels, channels, x, mean);
  const vf factor = splat(1.0f / (float)rows);
  FOR_VECTORS(c, count, channels,
    store_lanes(mean + c, load_lanes(x + c, count) + load_lanes(mean + c, count) * factor, count););
  for (int row = 0; row < whole; row += ROWS_AT_ONCE) {
    add_squares(ROWS_AT_ONCE, x + (size_t)row * channels, channels, mean, m2);
  }
  for (int row = whole; row < rows; row++) add_squares(1, x + (size_t)row * channels, channels, mean, m2);
}

// mean = Σ n_k mean_k / N, M2 = Σ M2_k + n_k (mean_k − mean)²: Chan et al. for all chunks at once, in double.
int batch_norm_statistics_merge_tasks(const batch_norm_statistics_merge_args *args) {
  return channel_tasks(args->channels);
}
void batch_norm_statistics_merge_task(const batch_norm_statistics_merge_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels, chunks = ceil_div(args->rows, args->chunk);
  const span block = channel_span(channels, task);
  const double whole = args->chunk, last = args->rows - (double)args->chunk * (chunks - 1);
  for (int c = block.begin; c < block.end; c += LANES) {
    const int count = min_int(LANES, block.end - c);
    const float *partial = F32(args->partial) + c;
    vd sum = {0}, m2 = {0};
    for (int k = 0; k < chunks; k++) {
      const float *at = partial + (size_t)k * 2 * channels;
      sum += __builtin_convertvector(load_lanes(at, count), vd) * (k == chunks - 1 ? last : whole);
    }
    const vd mean = sum / (double)args->rows;
    for (int k = 0; k < chunks; k++) {
      const float *at = partial + (size_t)k * 2 * channels;
      vd d = __builtin_convertvector(load_lanes(at, count), vd) - mean;
      m2 += __builtin_convertvector(load_lanes(at + channels, count), vd) + d * d * (k == chunks - 1 ? last : whole);
    }
    store_lanes(F32(args->mean) + c, __builtin_convertvector(mean, vf), count);
    store_lanes(F32(args->variance) + c, __builtin_convertvector(m2 / (double)args->rows, vf), count);
  }
}

// --- the sum of up to three normalised branches ---

// Channels that are done at a time, so that coefficients made on the way stay in the first-level cache.
#define BRANCH_CHANNELS 512

// y[c] = Σ_b x_b[c] · scale_b[c] + shift[c] for one row, at most `floor`
INLINE void branch_sum_row(int branches, const float *x0, const float *x1, const float *x2, const float *scale0,
                           const float *scale1, const float *scale2, const float *shift, float *y, int channels, vf floor) {
  FOR_VECTORS(c, count, channels,
    vf sum = load_lanes(shift + c, count) + load_lanes(x0 + c, count) * load_lanes(scale0 + c, count);
    if (branches > 1) sum += load_lanes(x1 + c, count) * load_lanes(scale1 + c, count);
    if (branches > 2) sum += load_lanes(x2 + c, count) * load_lanes(scale2 + c, count);
    store_lanes(y + c, vmax(sum, floor), count););
}

int branch_sum_forward_tasks(const branch_sum_forward_args *args) { return row_tasks(args->rows, args->channels); }
void branch_sum_forward_task(const branch_sum_forward_args *args, int task, int thread) {
  (void)thread;
  const int stride = args->channels;
  const span part = row_span(args->rows, stride, task);
  const vf floor = splat(args->relu ? 0 : -__builtin_inff());
  const uint32_t x_at[3] = {args->x0, args->x1, args->x2};
  const uint32_t scale_at[3] = {args->scale0, args->scale1, args->scale2};
  const uint32_t shift_at[3] = {args->shift0, args->shift1, args->shift2};
  for (int first = 0; first < stride; first += BRANCH_CHANNELS) {
    const int width = min_int(BRANCH_CHANNELS, stride - first);
    float scales[3][BRANCH_CHANNELS], shift[BRANCH_CHANNELS];
    for (int c = 0; c < width; c++) shift[c] = 0;
    const float *x[3];
    int branches = 0;
    for (int b = 0; b < 3; b++) {
      if (!x_at[b]) continue;
      x[branches] = F32(x_at[b]) + first;
      for (int c = 0; c < width; c++) {
        scales[branches][c] = scale_at[b] ? F32(scale_at[b])[first + c] : 1;
        if (shift_at[b]) shift[c] += F32(shift_at[b])[first + c];
      }
      branches++;
    }
    for (int row = part.begin; row < part.end; row++) {
      const size_t at = (size_t)row * stride;
      float *y = F32(args->y) + at + first;
      switch (branches) {
        case 1: branch_sum_row(1, x[0] + at, 0, 0, scales[0], 0, 0, shift, y, width, floor); break;
        case 2: branch_sum_row(2, x[0] + at, x[1] + at, 0, scales[0], scales[1], 0, shift, y, width, floor); break;
        case 3:
          branch_sum_row(3, x[0] + at, x[1] + at, x[2] + at, scales[0], scales[1], scales[2], shift, y, width, floor);
          break;
      }
    }
  }
}

// dy, or dy where y > 0 when y is given
INLINE vf gate(const float *dy, const float *y, int at, int count) {
  vf dz = load_lanes(dy + at, count);
  return y ? vselect(load_lanes(y + at, count) > 0, dz, splat(0)) : dz;
}

// sums[0] += dz; sums[b + 1] += dz · (x_b − mean_b) for the first `branches` branches; one row.
// Row by row, sums in memory: these arrays seldom fit a cache, and main memory is fast only in order.
INLINE void add_branch_sums(int branches, size_t at, const float *dy, const float *y, const float *const x[3],
                            const float *const mean[3], float *const sums[4], int channels) {
  FOR_VECTORS(c, count, channels,
    const vf dz = gate(dy + at, y ? y + at : 0, c, count);
    store_lanes(sums[0] + c, load_lanes(sums[0] + c, count) + dz, count);
    for (int b = 0; b < branches; b++) {
      vf term = dz * (load_lanes(x[b] + at + c, count) - load_lanes(mean[b] + c, count));
      store_lanes(sums[b + 1] + c, load_lanes(sums[b + 1] + c, count) + term, count);
    });
}

int branch_sum_backward_partial_tasks(const branch_sum_backward_partial_args *args) {
  return ceil_div(args->rows, args->chunk);
}
void branch_sum_backward_partial_task(const branch_sum_backward_partial_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels;
  const span part = chunk_span(args->rows, args->chunk, task);
  const uint32_t x_at[3] = {args->x0, args->x1, args->x2};
  const uint32_t mean_at[3] = {args->mean0, args->mean1, args->mean2};
  float *partial = F32(args->partial) + (size_t)task * 4 * channels;
  FOR_VECTORS(c, count, 4 * channels, store_lanes(partial + c, splat(0), count););
  // Branches that have a mean move to the front.
  const float *x[3] = {0}, *mean[3] = {0};
  float *sums[4] = {partial};
  int branches = 0;
  for (int b = 0; b < 3; b++) {
    if (!x_at[b] || !mean_at[b]) continue;
    x[branches] = F32(x_at[b]);
    mean[branches] = F32(mean_at[b]);
    sums[++branches] = partial + (size_t)(b + 1) * channels;
  }
  const float *dy = F32(args->dy), *y = args->y ? F32(args->y) : 0;
  for (int row = part.begin; row < part.end; row++) {
    const size_t at = (size_t)row * channels;
    switch (branches) {
      case 0: add_branch_sums(0, at, dy, y, x, mean, sums, channels); break;
      case 1: add_branch_sums(1, at, dy, y, x, mean, sums, channels); break;
      case 2: add_branch_sums(2, at, dy, y, x, mean, sums, channels); break;
      case 3: add_branch_sums(3, at, dy, y, x, mean, sums, channels); break;
    }
  }
}

int branch_sum_backward_merge_tasks(const branch_sum_backward_merge_args *args) {
  return channel_tasks(4 * args->channels);
}
void branch_sum_backward_merge_task(const branch_sum_backward_merge_args *args, int task, int thread) {
  (void)thread;
  const int columns = 4 * args->channels;
  const span block = channel_span(columns, task);
  for (int c = block.begin; c < block.end; c += LANES) {
    const int count = min_int(LANES, block.end - c);
    const float *partial = F32(args->partial) + c;
    vd sum = {0};
    for (int k = 0; k < args->chunks; k++) sum += __builtin_convertvector(load_lanes(partial + (size_t)k * columns, count), vd);
    store_lanes(F32(args->sums) + c, __builtin_convertvector(sum, vf), count);
  }
}

// dx (+)= a · dz + b · x + c, coefficients [3][channels]
INLINE void branch_gradient_row(const float *dy, const float *y, const float *x, const float *coefficients, float *dx,
                                int channels, int accumulate) {
  FOR_VECTORS(i, count, channels,
    vf value = gate(dy, y, i, count) * load_lanes(coefficients + i, count) +
               load_lanes(x + i, count) * load_lanes(coefficients + channels + i, count) +
               load_lanes(coefficients + 2 * channels + i, count);
    store_lanes(dx + i, accumulate ? load_lanes(dx + i, count) + value : value, count););
}
INLINE void plain_gradient_row(const float *dy, const float *y, float *dx, int channels, int accumulate) {
  FOR_VECTORS(i, count, channels,
    vf value = gate(dy, y, i, count);
    store_lanes(dx + i, accumulate ? load_lanes(dx + i, count) + value : value, count););
}

static void branch_gradient(const branch_sum_backward_data_args *args, uint32_t x, uint32_t coefficients, uint32_t dx_at,
                            int accumulate, size_t at) {
  const float *dy = F32(args->dy) + at, *y = args->y ? F32(args->y) + at : 0;
  float *dx = F32(dx_at) + at;
  if (!coefficients) {
    if (accumulate) plain_gradient_row(dy, y, dx, args->channels, 1);
    else plain_gradient_row(dy, y, dx, args->channels, 0);
  } else if (accumulate) {
    branch_gradient_row(dy, y, F32(x) + at, F32(coefficients), dx, args->channels, 1);
  } else {
    branch_gradient_row(dy, y, F32(x) + at, F32(coefficients), dx, args->channels, 0);
  }
}

int branch_sum_backward_data_tasks(const branch_sum_backward_data_args *args) {
  return row_tasks(args->rows, args->channels);
}
void branch_sum_backward_data_task(const branch_sum_backward_data_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->rows, args->channels, task);
  for (int row = part.begin; row < part.end; row++) {
    const size_t at = (size_t)row * args->channels;
    if (args->dx0) branch_gradient(args, args->x0, args->coefficients0, args->dx0, args->accumulate0, at);
    if (args->dx1) branch_gradient(args, args->x1, args->coefficients1, args->dx1, args->accumulate1, at);
    if (args->dx2) branch_gradient(args, args->x2, args->coefficients2, args->dx2, args->accumulate2, at);
  }
}
