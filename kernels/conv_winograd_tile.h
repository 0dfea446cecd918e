// Tiles of an image and the transform of their inputs. To be included with WINOGRAD (outputs of a tile on each axis), WINOGRAD_STRIDE (1
// or 2), WINOGRAD_KIND (what its kernels are called) and, for the gradient of the input of a convolution of stride 2,
// WINOGRAD_TRANSPOSED defined.
#include "conv_micro.h"
#include "conv_winograd_transforms.h"

#define WINOGRAD_JOIN_(a, b, c) a##b##c
#define WINOGRAD_JOIN(a, b, c) WINOGRAD_JOIN_(a, b, c)
#define WINOGRAD_NAME(suffix) WINOGRAD_JOIN(winograd, WINOGRAD_KIND, suffix)

// A tile reads TILE_INPUTS × TILE_INPUTS inputs, makes TILE × TILE points of them and gives WINOGRAD × WINOGRAD outputs. On each axis
// point i meets kernel point min(i, KERNEL_TILE − 1): with stride 2 several meet the same one.
#ifdef WINOGRAD_TRANSPOSED
enum { TILE_INPUTS = WINOGRAD / 2 + 1, TILE = WINOGRAD + 1, KERNEL_TILE = WINOGRAD / 2 + 2 };
#elif WINOGRAD_STRIDE == 2
enum { TILE_INPUTS = 2 * WINOGRAD + 1, TILE = TILE_INPUTS, KERNEL_TILE = WINOGRAD + 2 };
#else
enum { TILE_INPUTS = WINOGRAD + 2, TILE = TILE_INPUTS, KERNEL_TILE = WINOGRAD + 2 };
#endif
enum { TILE_POINTS = TILE * TILE, KERNEL_POINTS = KERNEL_TILE * KERNEL_TILE };

// The kernel point that a point meets, on an axis and of all.
static inline int kernel_axis(int point) { return min_int(point, KERNEL_TILE - 1); }
static inline int kernel_point(int point) { return kernel_axis(point / TILE) * KERNEL_TILE + kernel_axis(point % TILE); }

// The input at which the tile begins whose first output this is, pads left aside.
static inline int tile_input(int output) {
#ifdef WINOGRAD_TRANSPOSED
  return output / WINOGRAD_STRIDE;
#else
  return output * WINOGRAD_STRIDE;
#endif
}

// Of 14 outputs on an axis a tile of 4 has only 2 at the end: an edge. It is transformed by other formulas on that axis
// and needs no products at the outer points.
#if WINOGRAD == 4 && WINOGRAD_STRIDE == 1
enum { EDGE_OUTPUTS = 2 };
#define WINOGRAD_AXIS(suffix, edge, from, to) \
  if (edge) WINOGRAD_JOIN(winograd, WINOGRAD_KIND, _edge##suffix)(from, to); \
  else WINOGRAD_NAME(suffix)(from, to)
#else
enum { EDGE_OUTPUTS = 0 };
#define WINOGRAD_AXIS(suffix, edge, from, to) WINOGRAD_NAME(suffix)(from, to)
#endif

static inline int is_outer(int point) { return EDGE_OUTPUTS > 0 && (point == 3 || point == 4); }

typedef struct {
  int n, y, x;        // image and first output
  int edge_y, edge_x; // whether no more than EDGE_OUTPUTS lie in the image
} tile_position;

static inline tile_position tile_at(int tile, int out_height, int out_width) {
  const int columns = ceil_div(out_width, WINOGRAD), rows = ceil_div(out_height, WINOGRAD);
  const int y = tile / columns % rows * WINOGRAD, x = tile % columns * WINOGRAD;
  return (tile_position){tile / columns / rows, y, x, out_height - y <= EDGE_OUTPUTS, out_width - x <= EDGE_OUTPUTS};
}

// The tiles of a task in the order in which they are transformed: those with an edge in x alone, whole ones, those with an edge in y
// alone, those with both. So the tiles that a point has products for are neighbours.
typedef struct {
  int *tile;
  int begin[5]; // of each kind, and the end
} tile_order;

static inline int tile_kind(tile_position p) { return p.edge_y ? 2 + p.edge_x : 1 - p.edge_x; }

// Of `count` tiles from `first` on; `room` for as many numbers.
NOINLINE static tile_order order_tiles(int first, int count, int out_height, int out_width, int *room) {
  tile_order o = {room, {0}};
  for (int t = 0; t < count; t++) {
    const int kind = tile_kind(tile_at(first + t, out_height, out_width));
    for (int later = kind + 1; later < 5; later++) o.begin[later]++;
  }
  int next[4] = {o.begin[0], o.begin[1], o.begin[2], o.begin[3]};
  for (int t = 0; t < count; t++) room[next[tile_kind(tile_at(first + t, out_height, out_width))]++] = first + t;
  return o;
}

typedef struct {
  int begin, end;
} tile_range;

// The tiles of an order that a point [TILE][TILE] has products for.
static inline tile_range tiles_of_point(const tile_order *o, int point) {
  const int outer_y = is_outer(point / TILE), outer_x = is_outer(point % TILE);
  return (tile_range){o->begin[outer_x], o->begin[outer_y ? 2 : 4 - outer_x]};
}

// Rows of transformed tiles that micro-tiles read: they may go beyond the last tile of a point.
static inline int order_rows(const tile_order *o) {
  int rows = 0;
  NO_UNROLL
  for (int point = 0; point < TILE_POINTS; point++) {
    const tile_range r = tiles_of_point(o, point);
    const int end = r.begin + ceil_div(r.end - r.begin, MICRO_ROWS) * MICRO_ROWS;
    if (end > rows) rows = end;
  }
  return rows;
}

// The pixels [size][size] of image n from (y, x) on; `zeros` where they lie outside.
NOINLINE static void tile_pixels(const float *x, int height, int width, int channels, int n, int top, int left, int size,
                                 int channel, const float *zeros, const float **pixels) {
  NO_UNROLL
  for (int i = 0; i < size; i++)
    NO_UNROLL
    for (int j = 0; j < size; j++, pixels++) {
      const int y = top + i, column = left + j;
      const int inside = y >= 0 && y < height && column >= 0 && column < width;
      *pixels = inside ? x + (long)((n * height + y) * width + column) * channels + channel : zeros;
    }
}

// One vector of `count` channels from channel c on: Bᵀ d B, point by point `point_words` apart; 0 at an edge's outer points.
INLINE void transform_input_vector(const float *const *pixels, tile_position p, int c, int count, float *to, long point_words) {
  vf half[TILE][TILE_INPUTS];
  const int columns = p.edge_x ? EDGE_OUTPUTS + 2 : TILE_INPUTS;
  NO_UNROLL
  for (int x = 0; x < columns; x++) {
    vf d[TILE_INPUTS], t[TILE];
    UNROLL
    for (int i = 0; i < TILE_INPUTS; i++) d[i] = load_lanes(pixels[i * TILE_INPUTS + x] + c, count);
    WINOGRAD_AXIS(_data, p.edge_y, d, t);
    UNROLL
    for (int i = 0; i < TILE; i++) half[i][x] = t[i];
  }
  NO_UNROLL
  for (int y = 0; y < TILE; y++) {
    vf t[TILE];
    WINOGRAD_AXIS(_data, p.edge_x, half[y], t);
    UNROLL
    for (int i = 0; i < TILE; i++, to += point_words) store(to, t[i]);
  }
}

NOINLINE static void transform_input_whole(const float *const *pixels, tile_position p, int channels, float *to,
                                           long point_words, long step_words) {
  for (int c = 0; c + LANES <= channels; c += LANES, to += step_words) transform_input_vector(pixels, p, c, LANES, to, point_words);
}

NOINLINE static void transform_input_rest(const float *const *pixels, tile_position p, int c, int count, float *to,
                                          long point_words) {
  transform_input_vector(pixels, p, c, count, to, point_words);
}

// All channels of a tile, vectors `step_words` apart; `to` has room for whole vectors.
static inline void transform_input(const float *const *pixels, tile_position p, int channels, float *to, long point_words,
                                   long step_words) {
  const int whole = channels / LANES;
  transform_input_whole(pixels, p, channels, to, point_words, step_words);
  if (channels % LANES) transform_input_rest(pixels, p, whole * LANES, channels % LANES, to + whole * step_words, point_words);
}
