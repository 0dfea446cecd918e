// 3×3 convolution by Winograd's algorithm, to be included with what conv_winograd_tile.h wants.
// Packed weights are [groups][panels][KERNEL_POINTS][inputs of a group][PANEL] where they were transformed (packed_points),
// or those of conv_igemm_forward: [groups][panels][9 taps][inputs of a group][PANEL]. They may be halves (see conv_micro.h).
//
// A task is block_tiles tiles × block_panels panels of one group. It transforms the tiles' inputs to [TILE²][tiles][inputs], which
// stay in L2. Then panel by panel it transforms the kernels if they are not yet, KERNEL_INPUTS inputs at a time, multiplies point
// by point, and transforms the results back. Points of kernels are 4 times as large as taps: where nothing can be asked for
// ahead, to read them from beyond L2 takes longer than to make them again.
// Every output has one fixed order of operations, whatever the blocks.
#include "conv_output.h"
#include "conv_scratch.h"
#include "conv_winograd_tile.h"

#define CONV_NAME(suffix) WINOGRAD_JOIN(conv_winograd, WINOGRAD_KIND, suffix)

// Builds of short vectors never pack points (see winograd.ts): the code for them is left out.
enum { PACKS_POINTS = LANES > 4 };

typedef const CONV_NAME(_forward_args) forward_arguments;
typedef const CONV_NAME(_pack_args) pack_arguments;

static int tile_count(forward_arguments *a) {
  return a->batch * ceil_div(a->out_height, WINOGRAD) * ceil_div(a->out_width, WINOGRAD);
}
static int group_panels(forward_arguments *a) { return ceil_div(a->out_channels / a->groups, PANEL); }

int CONV_NAME(_forward_tasks)(forward_arguments *a) {
  return ceil_div(tile_count(a), a->block_tiles) * a->groups * ceil_div(group_panels(a), a->block_panels);
}

// Aᵀ m A of one vector of columns: products [TILE²] `point_words` apart → results [WINOGRAD²][PANEL].
NOINLINE static void transform_output_vector(const float *products, tile_position p, long point_words, float *results) {
  vf half[WINOGRAD][TILE];
  NO_UNROLL
  for (int x = 0; x < TILE; x++) {
    if (p.edge_x && is_outer(x)) continue;
    vf m[TILE], y[WINOGRAD];
    UNROLL
    for (int i = 0; i < TILE; i++) m[i] = load(products + (i * TILE + x) * point_words);
    WINOGRAD_AXIS(_result, p.edge_y, m, y);
    UNROLL
    for (int i = 0; i < WINOGRAD; i++) half[i][x] = y[i];
  }
  const int lines = p.edge_y ? EDGE_OUTPUTS : WINOGRAD;
  NO_UNROLL
  for (int i = 0; i < lines; i++) {
    vf y[WINOGRAD];
    WINOGRAD_AXIS(_result, p.edge_x, half[i], y);
    UNROLL
    for (int j = 0; j < WINOGRAD; j++, results += PANEL) store(results, y[j]);
  }
}

// A tile's results of one panel, into the image as far as it reaches.
static void store_tile(forward_arguments *a, tile_position p, int column, const output_panel *output, const float *results) {
  const int lines = min_int(WINOGRAD, a->out_height - p.y), width = min_int(WINOGRAD, a->out_width - p.x);
  float *line = F32(a->y) + (long)((p.n * a->out_height + p.y) * a->out_width + p.x) * a->out_channels + column;
  for (int i = 0; i < lines; i++, line += (long)a->out_width * a->out_channels)
    for (int j = 0; j < width; j++)
      output_store(output, results + (i * WINOGRAD + j) * PANEL, line + (long)j * a->out_channels);
}

// Inputs whose kernels are transformed together: their points stay in L2 beside a block of tiles.
enum { KERNEL_INPUTS = 192 };

// G g Gᵀ of a vector of kernels: points [KERNEL_POINTS] `point_words` apart.
INLINE void store_points(const vf taps[3][3], float *to, long at, long point_words, const int halves) {
  vf half[KERNEL_TILE][3];
  UNROLL
  for (int x = 0; x < 3; x++) {
    const vf g[3] = {taps[0][x], taps[1][x], taps[2][x]};
    vf t[KERNEL_TILE];
    WINOGRAD_NAME(_kernel)(g, t);
    UNROLL
    for (int y = 0; y < KERNEL_TILE; y++) half[y][x] = t[y];
  }
  UNROLL
  for (int y = 0; y < KERNEL_TILE; y++) {
    vf t[KERNEL_TILE];
    WINOGRAD_NAME(_kernel)(half[y], t);
    UNROLL
    for (int x = 0; x < KERNEL_TILE; x++, at += point_words) store_weights(to, at, t[x], halves);
  }
}

// Of `words` kernels side by side, whose taps [9] are `tap_words` apart.
INLINE void transform_kernels_of(const float *from, long tap_words, long words, float *to, long point_words, const int halves) {
  for (long k = 0; k < words; k += LANES) {
    vf taps[3][3];
    UNROLL
    for (int tap = 0; tap < 9; tap++) taps[tap / 3][tap % 3] = load_weights(weights_at(from, tap * tap_words + k, halves), halves);
    store_points(taps, to, k, point_words, 0);
  }
}
NOINLINE static void transform_floats(const float *from, long tap_words, long words, float *to, long point_words) {
  transform_kernels_of(from, tap_words, words, to, point_words, 0);
}
NOINLINE static void transform_halves(const float *from, long tap_words, long words, float *to, long point_words) {
  transform_kernels_of(from, tap_words, words, to, point_words, 1);
}

// How a panel's kernels are taken: so many inputs at a time, their points so far apart.
typedef struct {
  int inputs;
  long point_words;
} kernel_part;

static inline kernel_part parts_of(int packed_points, int inputs) {
  if (packed_points) return (kernel_part){inputs, (long)inputs * PANEL};
  const int part = min_int(inputs, KERNEL_INPUTS);
  return (kernel_part){part, part * PANEL + 16};
}

void CONV_NAME(_forward_task)(forward_arguments *a, int task, int thread) {
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups;
  const int panels = group_panels(a), panel_blocks = ceil_div(panels, a->block_panels);
  const int first_panel = task % panel_blocks * a->block_panels;
  const int end_panel = min_int(first_panel + a->block_panels, panels);
  const int group = task / panel_blocks % a->groups;
  const int first_tile = task / panel_blocks / a->groups * a->block_tiles;
  const int tiles = min_int(a->block_tiles, tile_count(a) - first_tile);

  scratch s = scratch_of(thread);
  const tile_order order = order_tiles(first_tile, tiles, a->out_height, a->out_width, scratch_take(&s, tiles * (long)sizeof(int)));
  const int rows = order_rows(&order);
  const long row_words = ceil_div(inputs, LANES) * LANES;
  const long point_words = rows * row_words + 16; // a cache line apart, or the points would fall on the same lines of L1
  const float *zeros = scratch_zeros(&s, inputs);
  float *transformed = scratch_floats(&s, TILE_POINTS * point_words);
  const long product_words = rows * PANEL + 16;
  float *products = scratch_floats(&s, TILE_POINTS * product_words);
  const int packed_points = PACKS_POINTS && a->packed_points, packed_halves = HALF_WEIGHTS && a->halves;
  const kernel_part parts = parts_of(packed_points, inputs);
  const int halves = packed_points && packed_halves; // kernels that are transformed here become floats
  float *kernels = scratch_floats(&s, packed_points ? 0 : KERNEL_POINTS * parts.point_words);

  for (int t = 0; t < rows; t++) {
    const float *pixels[TILE_INPUTS * TILE_INPUTS];
    const tile_position p = tile_at(order.tile[min_int(t, tiles - 1)], a->out_height, a->out_width);
    tile_pixels(F32(a->x), a->in_height, a->in_width, a->in_channels, p.n, tile_input(p.y) - a->pad_y, tile_input(p.x) - a->pad_x,
                TILE_INPUTS, group * inputs, zeros, pixels);
    transform_input(pixels, p, inputs, transformed + t * row_words, point_words, LANES);
  }
  for (int panel = first_panel; panel < end_panel; panel++) {
    const int columns = min_int(PANEL, outputs - panel * PANEL);
    const long kernel_words = (long)(packed_points ? KERNEL_POINTS : 9) * inputs * PANEL;
    const float *packed = weights_at(F32(a->packed), (group * panels + panel) * kernel_words, packed_halves);
    for (int first = 0; first < inputs; first += parts.inputs) {
      const int depth = min_int(parts.inputs, inputs - first);
      const float *weights = packed;
      if (!packed_points) {
        (packed_halves ? transform_halves : transform_floats)(weights_at(packed, first * PANEL, packed_halves), (long)inputs * PANEL,
                                                          depth * PANEL, kernels, parts.point_words);
        weights = kernels;
      }
      for (int point = 0; point < TILE_POINTS; point++) {
        const int next_point = point + 1 < TILE_POINTS ? kernel_point(point + 1) : KERNEL_POINTS; // after the last, the next panel's
        const long at = kernel_point(point) * parts.point_words, next = next_point * parts.point_words;
        const tile_range range = tiles_of_point(&order, point);
        micro_rows(transformed + point * point_words + range.begin * row_words + first, row_words, range.end - range.begin,
                   weights_at(weights, at, halves), halves, packed_points ? next - at : 0, depth, columns, first > 0,
                   products + point * product_words + range.begin * PANEL);
      }
    }
    const int column = group * outputs + panel * PANEL;
    const output_panel output = output_of(a->bias ? F32(a->bias) + column : 0, columns, a->relu, a->accumulate);
    for (int t = 0; t < tiles; t++) {
      const tile_position p = tile_at(order.tile[t], a->out_height, a->out_width);
      float results[WINOGRAD * WINOGRAD * PANEL];
      for (int c = 0; c < columns; c += LANES)
        transform_output_vector(products + t * PANEL + c, p, product_words, results + c);
      store_tile(a, p, column, &output, results);
    }
  }
}

// HWIO → packed. transposed: the kernel rotated by 180°, inputs and outputs exchanged, for the gradient of the input.
static int packed_inputs(pack_arguments *a) { return (a->transposed ? a->out_channels : a->in_channels) / a->groups; }
static int packed_outputs(pack_arguments *a) { return (a->transposed ? a->in_channels : a->out_channels) / a->groups; }

int CONV_NAME(_pack_tasks)(pack_arguments *a) { return a->groups * ceil_div(packed_outputs(a), PANEL); }

INLINE vf load_columns(const float *from, long stride, int count) {
  if (stride == 1 && count >= LANES) return load(from);
  float lanes[LANES];
  for (int i = 0; i < LANES; i++) lanes[i] = i < count ? from[i * stride] : 0;
  return load(lanes);
}

// Of one vector of columns; taps are `tap_words` apart (negative: rotated).
INLINE void transform_columns(const float *from, long tap_words, long stride, int count, float *to, long at, long point_words,
                              const int halves) {
  vf taps[3][3];
  UNROLL
  for (int tap = 0; tap < 9; tap++) taps[tap / 3][tap % 3] = load_columns(from + tap * tap_words, stride, count);
  store_points(taps, to, at, point_words, halves);
}
NOINLINE static void transform_columns_to_floats(const float *from, long tap_words, long stride, int count, float *to, long at,
                                                 long point_words) {
  transform_columns(from, tap_words, stride, count, to, at, point_words, 0);
}
NOINLINE static void transform_columns_to_halves(const float *from, long tap_words, long stride, int count, float *to, long at,
                                                 long point_words) {
  transform_columns(from, tap_words, stride, count, to, at, point_words, 1);
}

void CONV_NAME(_pack_task)(pack_arguments *a, int task, int thread) {
  (void)thread;
  if (!PACKS_POINTS) return;
  const int inputs = packed_inputs(a), outputs = packed_outputs(a), panels = ceil_div(outputs, PANEL);
  const int group = task / panels, first = task % panels * PANEL;
  const long input_stride = a->transposed ? 1 : a->out_channels, output_stride = a->transposed ? a->out_channels : 1;
  const long tap_words = (long)(a->in_channels / a->groups) * a->out_channels;
  const float *from = F32(a->weight) + group * (a->out_channels / a->groups) + first * output_stride;
  const long to = (long)task * KERNEL_POINTS * inputs * PANEL;
  for (int i = 0; i < inputs; i++)
    for (int c = 0; c < PANEL; c += LANES) {
      const float *column = from + i * input_stride + c * output_stride;
      const float *tap = a->transposed ? column + 8 * tap_words : column;
      (HALF_WEIGHTS && a->halves ? transform_columns_to_halves : transform_columns_to_floats)(
          tap, a->transposed ? -tap_words : tap_words, output_stride, outputs - first - c, F32(a->packed), to + i * PANEL + c,
          inputs * PANEL);
    }
}
