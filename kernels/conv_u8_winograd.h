// Integer 3×3 convolution by Winograd's algorithm, to be included with what conv_winograd_tile.h wants. Tasks and the order of tiles are those
// of conv_winograd_forward.h; the results are the same bits as conv_u8_igemm_forward's.
//
// Packed weights: [groups][panels]([KERNEL_POINTS][words of a group][PANEL] pairs of int16, then [PANEL] int32: the middle of the values
// that an output's sum of products can have). A sum s of products lies within 255/2 · Σ|w| of that middle; it is found from the wrapped sums
// as long as that is less than 2³¹ >> SHIFT: Σ|w| ≤ 263,172 for F(4×4), and always for the others.
#include "conv_scratch.h"
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
typedef const CONV_NAME(_pack_args) pack_arguments;

static int tile_count(forward_arguments *a) {
  return a->batch * ceil_div(a->out_height, WINOGRAD) * ceil_div(a->out_width, WINOGRAD);
}
static int group_panels(forward_arguments *a) { return ceil_div(a->out_channels / a->groups, PANEL); }

int CONV_NAME(_forward_tasks)(forward_arguments *a) {
  return ceil_div(tile_count(a), a->block_tiles) * a->groups * ceil_div(group_panels(a), a->block_panels);
}

// Words of a panel's packed weights, words being those of a group's inputs in pairs.
static inline long panel_words_of(int words) { return ((long)KERNEL_POINTS * words + 1) * PANEL; }

// Pairs of a group's inputs: those of whole words of bytes, so that both layouts have the same channels.
static inline int pair_words_of(int inputs) { return row_words_of(inputs) * 2; }

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
    const int32_t *middle = packed + (long)KERNEL_POINTS * words * PANEL;
    for (int point = 0; point < TILE_POINTS; point++) {
      const int next_point = point + 1 < TILE_POINTS ? kernel_point(point + 1) : KERNEL_POINTS; // after the last, the next panel's
      const long from = (long)kernel_point(point) * words * PANEL, next = (long)next_point * words * PANEL;
      const tile_range range = tiles_of_point(&order, point);
      pair_rows(transformed + point * point_words + range.begin * tile_words, tile_words, range.end - range.begin, packed + from,
                next - from, words, columns, products + point * product_words + range.begin * PANEL);
    }
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

int CONV_NAME(_pack_tasks)(pack_arguments *a) { return a->groups * ceil_div(a->out_channels / a->groups, PANEL); }

// G g Gᵀ (the whole multiple of it) of an input's weights for LANES outputs; 0 where there are fewer. Adds to the least and the largest
// sum of products.
static void transform_kernel(const int8_t *from, long tap_bytes, int count, vi points[KERNEL_POINTS], vi *least, vi *largest) {
  vi half[KERNEL_TILE][3], taps[3][3];
  for (int tap = 0; tap < 9; tap++) {
    const vi w = count > 0 ? load_signed_bytes(from + tap * tap_bytes, count) : splat_word(0);
    taps[tap / 3][tap % 3] = w;
    *least += (w & (w < 0)) * 255;
    *largest += (w & (w > 0)) * 255;
  }
  for (int x = 0; x < 3; x++) {
    const vi g[3] = {taps[0][x], taps[1][x], taps[2][x]};
    vi t[KERNEL_TILE];
    U8_NAME(_kernel)(g, t);
    for (int y = 0; y < KERNEL_TILE; y++) half[y][x] = t[y];
  }
  for (int y = 0; y < KERNEL_TILE; y++) U8_NAME(_kernel)(half[y], points + y * KERNEL_TILE);
}

void CONV_NAME(_pack_task)(pack_arguments *a, int task, int thread) {
  (void)thread;
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups, words = pair_words_of(inputs);
  const int panels = ceil_div(outputs, PANEL), group = task / panels, first = task % panels * PANEL;
  const long tap_bytes = (long)inputs * a->out_channels, point_words = (long)words * PANEL;
  int32_t *to = I32(a->packed) + task * panel_words_of(words);
  for (int c = 0; c < PANEL; c += LANES) {
    const int count = min_int(LANES, outputs - first - c);
    const int8_t *from = (const int8_t *)U8(a->weight) + group * outputs + first + c;
    vi least = splat_word(0), largest = splat_word(0);
    for (int word = 0; word < words; word++) {
      vi even[KERNEL_POINTS], odd[KERNEL_POINTS];
      const int i = 2 * word;
      transform_kernel(from + (long)i * a->out_channels, tap_bytes, i < inputs ? count : 0, even, &least, &largest);
      transform_kernel(from + (long)(i + 1) * a->out_channels, tap_bytes, i + 1 < inputs ? count : 0, odd, &least, &largest);
      for (int point = 0; point < KERNEL_POINTS; point++)
        store_words(to + point * point_words + (long)word * PANEL + c, (even[point] & splat_word(0xffff)) | (vi)((vu)odd[point] << 16));
    }
    store_words(to + KERNEL_POINTS * point_words + c, (vi)((vu)least + (vu)largest) >> 1);
  }
}
