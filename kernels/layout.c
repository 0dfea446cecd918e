#include "tasks.h"

// Positions of a tile: the rows and columns of a tile stay in the cache while it is turned.
#define TILE 32

// y[column][row] = x[row][column] for one tile of columns and all rows
static void transpose_columns(const float *x, float *y, int rows, int columns, int begin, int end) {
  for (int first = 0; first < rows; first += TILE) {
    const int last = min_int(rows, first + TILE);
    for (int column = begin; column < end; column++) {
      const float *from = x + column;
      float *to = y + (size_t)column * rows;
      for (int row = first; row < last; row++) to[row] = from[(size_t)row * columns];
    }
  }
}

INLINE int transpose_tasks(int batch, int columns) { return batch * ceil_div(columns, TILE); }
INLINE void transpose_task(uint32_t x, uint32_t y, int rows, int columns, int task) {
  const int tiles = ceil_div(columns, TILE), image = task / tiles, begin = task % tiles * TILE;
  const size_t offset = (size_t)image * rows * columns;
  transpose_columns(F32(x) + offset, F32(y) + offset, rows, columns, begin, min_int(columns, begin + TILE));
}

int nchw_to_nhwc_tasks(const nchw_to_nhwc_args *args) { return transpose_tasks(args->batch, args->positions); }
void nchw_to_nhwc_task(const nchw_to_nhwc_args *args, int task, int thread) {
  (void)thread;
  transpose_task(args->x, args->y, args->channels, args->positions, task);
}

int nhwc_to_nchw_tasks(const nhwc_to_nchw_args *args) { return transpose_tasks(args->batch, args->channels); }
void nhwc_to_nchw_task(const nhwc_to_nchw_args *args, int task, int thread) {
  (void)thread;
  transpose_task(args->x, args->y, args->positions, args->channels, task);
}

int image_normalize_tasks(const image_normalize_args *args) { return row_tasks(args->pixels, args->channels); }
void image_normalize_task(const image_normalize_args *args, int task, int thread) {
  (void)thread;
  const int channels = args->channels;
  const span part = row_span(args->pixels, channels, task);
  const float *scale = F32(args->scale), *shift = F32(args->shift);
  const uint8_t *x = U8(args->x) + (size_t)part.begin * channels;
  float *y = F32(args->y) + (size_t)part.begin * channels;
  const int n = (part.end - part.begin) * channels;
  int i = 0;
  if (channels <= 4) {
    // Vectors run across pixels; scale and shift repeat after `channels` vectors.
    float scales[4 * LANES], shifts[4 * LANES];
    for (int j = 0; j < channels * LANES; j++) scales[j] = scale[j % channels], shifts[j] = shift[j % channels];
    for (; i <= n - channels * LANES; i += channels * LANES) {
      for (int j = 0; j < channels * LANES; j += LANES) {
        vf value = __builtin_convertvector(*(const vu8_unaligned *)(x + i + j), vf);
        store(y + i + j, value * load(scales + j) + load(shifts + j));
      }
    }
  }
  for (; i < n; i++) y[i] = (float)x[i] * scale[i % channels] + shift[i % channels];
}
