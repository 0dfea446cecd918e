// Integer 3×3 convolution by Winograd's algorithm, to be included with what conv_winograd_tile.h wants. Tasks and the order of tiles are those
// of conv_winograd_forward.h; the results are the same bits as conv_u8_igemm_forward's.
//
// Packed weights: conv_u8_winograd_pack.c's, int8. A task takes a panel's kernels KERNEL_WORDS pairs of inputs at a time and transforms them to
// int16 in memory that stays in L2: to read the points, which are 8 times as large, from beyond it would take longer.
//
// A sum s of products lies within 255/2 · Σ|w| of the middle of what it can be; it is found from the wrapped sums as long as that is less than
// 2³¹ >> SHIFT: Σ|w| ≤ 263,172 for F(4×4), and always for the others.
#include "conv_scratch.h"
#include "conv_u8_winograd_pack.h"
#include "conv_u8_winograd_transforms.h"
#include "conv_winograd_tile.h"
#include "u8_output.h"
#include "u8_window.h"

#define CONV_NAME(suffix) WINOGRAD_JOIN(conv_u8_winograd, WINOGRAD_KIND, suffix)
#define U8_NAME(suffix) WINOGRAD_JOIN(u8_winograd, WINOGRAD_KIND, suffix)
#if WINOGRAD == 4 && WINOGRAD_STRIDE == 1
#define U8_AXIS(suffix, edge, from, to) \
  if (edge) WINOGRAD_JOIN(u8_winograd, WINOGRAD_KIND, _edge##suffix)(from, to); \
  else U8_NAME(suffix)(from, to)
#else
#define U8_AXIS(suffix, edge, from, to) U8_NAME(suffix)(from, to)
#endif

enum { SHIFT = U8_NAME(_SHIFT), PAIR_LANES = 2 * LANES };

typedef const CONV_NAME(_forward_args) forward_arguments;

static int tile_count(forward_arguments *a) {
  return a->batch * ceil_div(a->out_height, WINOGRAD) * ceil_div(a->out_width, WINOGRAD);
}
static int group_panels(forward_arguments *a) { return ceil_div(a->out_channels / a->groups, PANEL); }

int CONV_NAME(_forward_tasks)(forward_arguments *a) {
  return ceil_div(tile_count(a), a->block_tiles) * a->groups * ceil_div(group_panels(a), a->block_panels);
}

// Bᵀ d B of 2·LANES channels from channel c on: pairs, point by point `point_words` apart; 0 at an edge's outer points.
INLINE void transform_pairs(const float *const *pixels, tile_position p, int c, int32_t *to, long point_words) {
  vs half[TILE][TILE_INPUTS];
  const int columns = p.edge_x ? EDGE_OUTPUTS + 2 : TILE_INPUTS;
  NO_UNROLL
  for (int x = 0; x < columns; x++) {
    vs d[TILE_INPUTS], t[TILE];
    UNROLL
    for (int i = 0; i < TILE_INPUTS; i++)
      d[i] = __builtin_convertvector(*(const vu8x2_unaligned *)((const uint8_t *)pixels[i * TILE_INPUTS + x] + c), vs);
    U8_AXIS(_data, p.edge_y, d, t);
    UNROLL
    for (int i = 0; i < TILE; i++) half[i][x] = t[i];
  }
  NO_UNROLL
  for (int y = 0; y < TILE; y++) {
    vs t[TILE];
    U8_AXIS(_data, p.edge_x, half[y], t);
    UNROLL
    for (int i = 0; i < TILE; i++, to += point_words) store_words(to, (vi)t[i]);
  }
}

NOINLINE static void transform_whole_pairs(const float *const *pixels, tile_position p, int channels, int32_t *to, long point_words) {
  for (int c = 0; c + PAIR_LANES <= channels; c += PAIR_LANES, to += LANES) transform_pairs(pixels, p, c, to, point_words);
}

// The channels that are left of a position: from copies of their bytes, since vectors would read beyond the image.
NOINLINE static void transform_rest(const float *const *pixels, tile_position p, int c, int bytes, int32_t *to, long point_words) {
  uint8_t copies[TILE_INPUTS * TILE_INPUTS][PAIR_LANES];
  const float *rows[TILE_INPUTS * TILE_INPUTS];
  for (int i = 0; i < TILE_INPUTS * TILE_INPUTS; i++) {
    const uint8_t *from = (const uint8_t *)pixels[i] + c;
    for (int k = 0; k < PAIR_LANES; k++) copies[i][k] = k < bytes ? from[k] : 0;
    rows[i] = (const float *)copies[i];
  }
  transform_pairs(rows, p, 0, to, point_words);
}

// Aᵀ m A of one vector of columns: products [TILE²] `point_words` apart → sums of products [WINOGRAD²][PANEL].
NOINLINE static void transform_sums(const int32_t *products, tile_position p, long point_words, vi middle, int32_t *results) {
  vu half[WINOGRAD][TILE];
  NO_UNROLL
  for (int x = 0; x < TILE; x++) {
    if (p.edge_x && is_outer(x)) continue;
    vu m[TILE], y[WINOGRAD];
    UNROLL
    for (int i = 0; i < TILE; i++) m[i] = (vu)load_words(products + (i * TILE + x) * point_words);
    U8_AXIS(_result, p.edge_y, m, y);
    UNROLL
    for (int i = 0; i < WINOGRAD; i++) half[i][x] = y[i];
  }
  const vu offset = (vu)middle << SHIFT, inverse = (vu)splat_word((int32_t)U8_NAME(_INVERSE));
  const int lines = p.edge_y ? EDGE_OUTPUTS : WINOGRAD;
  NO_UNROLL
  for (int i = 0; i < lines; i++) {
    vu y[WINOGRAD];
    U8_AXIS(_result, p.edge_x, half[i], y);
    UNROLL
    for (int j = 0; j < WINOGRAD; j++, results += PANEL) store_words(results, ((vi)(y[j] * inverse - offset) >> SHIFT) + middle);
  }
}

static void store_tile(forward_arguments *a, tile_position p, const u8_output *output, const u8_panel *panel, const int32_t *results) {
  const int lines = min_int(WINOGRAD, a->out_height - p.y), width = min_int(WINOGRAD, a->out_width - p.x);
  long position = (long)(p.n * a->out_height + p.y) * a->out_width + p.x;
  for (int i = 0; i < lines; i++, position += a->out_width)
    u8_store(output, panel, results + i * WINOGRAD * PANEL, position, width);
}

// Pairs of inputs whose kernels are transformed together: their points stay in L2 beside a block of tiles.
enum { KERNEL_WORDS = 96 };

// G g Gᵀ (the whole multiple of it) of a panel's kernels for `words` pairs of inputs, whose taps are `tap_bytes` apart: points
// [KERNEL_POINTS] `point_words` apart.
NOINLINE static void transform_kernels(const int8_t *from, long tap_bytes, int words, int32_t *to, long point_words) {
  for (int k = 0; k < words * PANEL; k += LANES) {
    vs half[KERNEL_TILE][3];
    UNROLL
    for (int x = 0; x < 3; x++) {
      vs g[3], t[KERNEL_TILE];
      UNROLL
      for (int y = 0; y < 3; y++) g[y] = __builtin_convertvector(*(const vs8x2_unaligned *)(from + (3 * y + x) * tap_bytes + 2 * k), vs);
      U8_NAME(_kernel)(g, t);
      UNROLL
      for (int y = 0; y < KERNEL_TILE; y++) half[y][x] = t[y];
    }
    int32_t *at = to + k;
    UNROLL
    for (int y = 0; y < KERNEL_TILE; y++) {
      vs t[KERNEL_TILE];
      U8_NAME(_kernel)(half[y], t);
      UNROLL
      for (int x = 0; x < KERNEL_TILE; x++, at += point_words) store_words(at, (vi)t[x]);
    }
  }
}

void CONV_NAME(_forward_task)(forward_arguments *a, int task, int thread) {
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups;
  const int panels = group_panels(a), panel_blocks = ceil_div(panels, a->block_panels);
  const int first_panel = task % panel_blocks * a->block_panels;
  const int end_panel = min_int(first_panel + a->block_panels, panels);
  const int group = task / panel_blocks % a->groups;
  const int first_tile = task / panel_blocks / a->groups * a->block_tiles;
  const int tiles = min_int(a->block_tiles, tile_count(a) - first_tile);
  const int row_bytes = row_bytes_of(inputs), words = pair_words_of(inputs);

  scratch s = scratch_of(thread);
  const tile_order order = order_tiles(first_tile, tiles, a->out_height, a->out_width, scratch_take(&s, tiles * (long)sizeof(int)));
  const int rows = order_rows(&order);
  const long tile_words = ceil_div(words, LANES) * LANES;
  const long point_words = rows * tile_words + 16; // a cache line apart, or the points would fall on the same lines of L1
  const uint8_t *outside = u8_outside(&s, row_bytes, a->x_zero);
  int32_t *transformed = scratch_take(&s, TILE_POINTS * point_words * 4);
  const long product_words = rows * PANEL + 16;
  int32_t *products = scratch_take(&s, TILE_POINTS * product_words * 4);
  const long kernel_words = min_int(words, KERNEL_WORDS) * PANEL + 16;
  int32_t *kernels = scratch_take(&s, KERNEL_POINTS * kernel_words * 4);

  for (int t = 0; t < rows; t++) {
    const float *pixels[TILE_INPUTS * TILE_INPUTS];
    const tile_position p = tile_at(order.tile[min_int(t, tiles - 1)], a->out_height, a->out_width);
    tile_pixels(F32(a->x), a->in_height, a->in_width, row_words_of(a->in_channels), p.n, tile_input(p.y) - a->pad_y,
                tile_input(p.x) - a->pad_x, TILE_INPUTS, group * inputs / 4, (const float *)outside, pixels);
    int32_t *to = transformed + t * tile_words;
    const int whole = row_bytes / PAIR_LANES * PAIR_LANES;
    transform_whole_pairs(pixels, p, whole, to, point_words);
    if (whole < row_bytes) transform_rest(pixels, p, whole, row_bytes - whole, to + whole / 2, point_words);
  }
  const u8_output output = U8_OUTPUT_OF(a);
  for (int at = first_panel; at < end_panel; at++) {
    const int columns = min_int(PANEL, outputs - at * PANEL);
    const int32_t *packed = I32(a->packed) + (group * panels + at) * panel_words_of(words);
    for (int first = 0; first < words; first += KERNEL_WORDS) {
      const int depth = min_int(KERNEL_WORDS, words - first);
      transform_kernels((const int8_t *)packed + (long)first * PANEL * 2, (long)words * PANEL * 2, depth, kernels, kernel_words);
      for (int point = 0; point < TILE_POINTS; point++) {
        const tile_range range = tiles_of_point(&order, point);
        pair_rows(transformed + point * point_words + range.begin * tile_words + first, tile_words, range.end - range.begin,
                  kernels + kernel_point(point) * kernel_words, depth, columns, first > 0,
                  products + point * product_words + range.begin * PANEL);
      }
    }
    const int32_t *middle = packed + panel_words_of(words) - PANEL;
    const u8_panel panel = u8_panel_of(&output, group * outputs + at * PANEL, columns);
    for (int t = 0; t < tiles; t++) {
      const tile_position p = tile_at(order.tile[t], a->out_height, a->out_width);
      int32_t results[WINOGRAD * WINOGRAD * PANEL];
      for (int c = 0; c < columns; c += LANES)
        transform_sums(products + t * PANEL + c, p, product_words, load_words(middle + c), results + c);
      store_tile(a, p, &output, &panel, results);
    }
  }
}
