// Tiles of an image and the transform of their inputs. To be included with WINOGRAD (2 or 4: outputs of a tile on each axis),
// WINOGRAD_STRIDE (1 or 2) and WINOGRAD_KIND (what its kernels are called) defined.
#include "conv_micro.h"
#include "conv_winograd_transforms.h"

#define WINOGRAD_JOIN_(a, b, c) a##b##c
#define WINOGRAD_JOIN(a, b, c) WINOGRAD_JOIN_(a, b, c)
#define WINOGRAD_NAME(suffix) WINOGRAD_JOIN(winograd, WINOGRAD_KIND, suffix)

// A tile reads TILE × TILE inputs, makes as many points of them and gives WINOGRAD × WINOGRAD outputs. On each axis
// point i meets kernel point min(i, KERNEL_TILE − 1): with stride 2 the odd inputs all meet the same one.
enum {
  TILE = WINOGRAD_STRIDE == 1 ? WINOGRAD + 2 : 2 * WINOGRAD + 1,
  TILE_POINTS = TILE * TILE,
  KERNEL_TILE = WINOGRAD + 2,
  KERNEL_POINTS = KERNEL_TILE * KERNEL_TILE
};

typedef struct {
  int n, y, x; // image and first output
} tile_position;

static inline tile_position tile_at(int tile, int out_height, int out_width) {
  const int columns = ceil_div(out_width, WINOGRAD), rows = ceil_div(out_height, WINOGRAD);
  return (tile_position){tile / columns / rows, tile / columns % rows * WINOGRAD, tile % columns * WINOGRAD};
}

// The pixels [size][size] of image n from (y, x) on; `zeros` where they lie outside.
static inline void tile_pixels(const float *x, int height, int width, int channels, int n, int top, int left, int size,
                               int channel, const float *zeros, const float **pixels) {
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++, pixels++) {
      const int y = top + i, column = left + j;
      const int inside = y >= 0 && y < height && column >= 0 && column < width;
      *pixels = inside ? x + (long)((n * height + y) * width + column) * channels + channel : zeros;
    }
}

// One vector of `count` channels from channel c on: Bᵀ d B, point by point `point_words` apart.
INLINE void transform_input_vector(const float *const *pixels, int c, int count, float *to, long point_words) {
  vf half[TILE][TILE];
  NO_UNROLL
  for (int x = 0; x < TILE; x++) {
    vf d[TILE], t[TILE];
    UNROLL
    for (int i = 0; i < TILE; i++) d[i] = load_lanes(pixels[i * TILE + x] + c, count);
    WINOGRAD_NAME(_data)(d, t);
    UNROLL
    for (int i = 0; i < TILE; i++) half[i][x] = t[i];
  }
  NO_UNROLL
  for (int y = 0; y < TILE; y++) {
    vf t[TILE];
    WINOGRAD_NAME(_data)(half[y], t);
    UNROLL
    for (int i = 0; i < TILE; i++, to += point_words) store(to, t[i]);
  }
}

NOINLINE static void transform_input_whole(const float *const *pixels, int channels, float *to, long point_words, long step_words) {
  for (int c = 0; c + LANES <= channels; c += LANES, to += step_words) transform_input_vector(pixels, c, LANES, to, point_words);
}

NOINLINE static void transform_input_rest(const float *const *pixels, int c, int count, float *to, long point_words) {
  transform_input_vector(pixels, c, count, to, point_words);
}

// All channels of a tile, vectors `step_words` apart; `to` has room for whole vectors.
static inline void transform_input(const float *const *pixels, int channels, float *to, long point_words, long step_words) {
  const int whole = channels / LANES;
  transform_input_whole(pixels, channels, to, point_words, step_words);
  if (channels % LANES) transform_input_rest(pixels, whole * LANES, channels % LANES, to + whole * step_words, point_words);
}
