// 3×3 convolution by Winograd's algorithm, to be included with what conv_winograd_tile.h wants.
// Packed weights: [groups][panels][KERNEL_POINTS][inputs of a group][PANEL].
//
// A task is block_tiles tiles × block_panels panels of one group. It transforms the tiles' inputs to [TILE²][tiles][inputs], which
// stay in L2; then panel by panel it multiplies point by point and transforms the results back while they are in L1.
// Every output has one fixed order of operations, whatever the blocks.
#include "conv_output.h"
#include "conv_scratch.h"
#include "conv_winograd_tile.h"

#define CONV_NAME(suffix) WINOGRAD_JOIN(conv_winograd, WINOGRAD_KIND, suffix)

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
NOINLINE static void transform_output_vector(const float *products, long point_words, float *results) {
  vf half[WINOGRAD][TILE];
  NO_UNROLL
  for (int x = 0; x < TILE; x++) {
    vf m[TILE], y[WINOGRAD];
    UNROLL
    for (int i = 0; i < TILE; i++) m[i] = load(products + (i * TILE + x) * point_words);
    WINOGRAD_NAME(_result)(m, y);
    UNROLL
    for (int i = 0; i < WINOGRAD; i++) half[i][x] = y[i];
  }
  NO_UNROLL
  for (int i = 0; i < WINOGRAD; i++) {
    vf y[WINOGRAD];
    WINOGRAD_NAME(_result)(half[i], y);
    UNROLL
    for (int j = 0; j < WINOGRAD; j++, results += PANEL) store(results, y[j]);
  }
}

// A tile's results of one panel, into the image as far as it reaches.
static void store_tile(forward_arguments *a, int tile, int column, const output_panel *output, const float *results) {
  const tile_position p = tile_at(tile, a->out_height, a->out_width);
  const int lines = min_int(WINOGRAD, a->out_height - p.y), width = min_int(WINOGRAD, a->out_width - p.x);
  float *line = F32(a->y) + (long)((p.n * a->out_height + p.y) * a->out_width + p.x) * a->out_channels + column;
  for (int i = 0; i < lines; i++, line += (long)a->out_width * a->out_channels)
    for (int j = 0; j < width; j++)
      output_store(output, results + (i * WINOGRAD + j) * PANEL, line + (long)j * a->out_channels);
}

// Where a point's weights are among those of a panel; after the last point, those of the next panel.
static inline int kernel_point(int point) {
  if (point == TILE_POINTS) return KERNEL_POINTS;
  return min_int(point / TILE, KERNEL_TILE - 1) * KERNEL_TILE + min_int(point % TILE, KERNEL_TILE - 1);
}

void CONV_NAME(_forward_task)(forward_arguments *a, int task, int thread) {
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups;
  const int panels = group_panels(a), panel_blocks = ceil_div(panels, a->block_panels);
  const int first_panel = task % panel_blocks * a->block_panels;
  const int end_panel = min_int(first_panel + a->block_panels, panels);
  const int group = task / panel_blocks % a->groups;
  const int first_tile = task / panel_blocks / a->groups * a->block_tiles;
  const int tiles = min_int(a->block_tiles, tile_count(a) - first_tile);
  const int rows = ceil_div(tiles, MICRO_ROWS) * MICRO_ROWS;

  scratch s = scratch_of(thread);
  const long row_words = ceil_div(inputs, LANES) * LANES;
  const long point_words = rows * row_words + 16; // a cache line apart, or the points would fall on the same lines of L1
  const float *zeros = scratch_zeros(&s, inputs);
  float *transformed = scratch_floats(&s, TILE_POINTS * point_words);
  float *products = scratch_floats(&s, TILE_POINTS * (rows * PANEL + 16));

  for (int t = 0; t < rows; t++) {
    const float *pixels[TILE_POINTS];
    const tile_position p = tile_at(first_tile + min_int(t, tiles - 1), a->out_height, a->out_width);
    tile_pixels(F32(a->x), a->in_height, a->in_width, a->in_channels, p.n, p.y * WINOGRAD_STRIDE - a->pad_y,
                p.x * WINOGRAD_STRIDE - a->pad_x, TILE, group * inputs, zeros, pixels);
    transform_input(pixels, inputs, transformed + t * row_words, point_words, LANES);
  }
  for (int panel = first_panel; panel < end_panel; panel++) {
    const float *panel_weights = F32(a->packed) + (long)(group * panels + panel) * KERNEL_POINTS * inputs * PANEL;
    const long product_words = rows * PANEL + 16;
    const int columns = min_int(PANEL, outputs - panel * PANEL);
    for (int point = 0; point < TILE_POINTS; point++) {
      const float *weights = panel_weights + (long)kernel_point(point) * inputs * PANEL;
      const long next_words = (long)(kernel_point(point + 1) - kernel_point(point)) * inputs * PANEL;
      for (int t = 0; t < rows; t += MICRO_ROWS)
        micro_rows(transformed + point * point_words + t * row_words, row_words, weights, inputs, columns,
                   ahead_of(next_words, inputs, t / MICRO_ROWS, rows / MICRO_ROWS), products + point * product_words + t * PANEL);
    }
    const int column = group * outputs + panel * PANEL;
    const output_panel output = output_of(a->bias ? F32(a->bias) + column : 0, columns, a->relu, a->accumulate);
    for (int t = 0; t < tiles; t++) {
      float results[WINOGRAD * WINOGRAD * PANEL];
      for (int c = 0; c < columns; c += LANES)
        transform_output_vector(products + t * PANEL + c, product_words, results + c);
      store_tile(a, first_tile + t, column, &output, results);
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

// G g Gᵀ of one vector of columns; taps[3][3] are `tap_words` apart (negative: rotated).
NOINLINE static void transform_kernel_vector(const float *from, long tap_words, long stride, int count, float *to, long point_words) {
  vf half[KERNEL_TILE][3];
  NO_UNROLL
  for (int x = 0; x < 3; x++) {
    vf g[3], t[KERNEL_TILE];
    UNROLL
    for (int i = 0; i < 3; i++) g[i] = load_columns(from + (i * 3 + x) * tap_words, stride, count);
    WINOGRAD_NAME(_kernel)(g, t);
    UNROLL
    for (int i = 0; i < KERNEL_TILE; i++) half[i][x] = t[i];
  }
  NO_UNROLL
  for (int y = 0; y < KERNEL_TILE; y++) {
    vf t[KERNEL_TILE];
    WINOGRAD_NAME(_kernel)(half[y], t);
    UNROLL
    for (int i = 0; i < KERNEL_TILE; i++, to += point_words) store(to, t[i]);
  }
}

void CONV_NAME(_pack_task)(pack_arguments *a, int task, int thread) {
  (void)thread;
  const int inputs = packed_inputs(a), outputs = packed_outputs(a), panels = ceil_div(outputs, PANEL);
  const int group = task / panels, first = task % panels * PANEL;
  const long input_stride = a->transposed ? 1 : a->out_channels, output_stride = a->transposed ? a->out_channels : 1;
  const long tap_words = (long)(a->in_channels / a->groups) * a->out_channels;
  const float *from = F32(a->weight) + group * (a->out_channels / a->groups) + first * output_stride;
  float *to = F32(a->packed) + (long)task * KERNEL_POINTS * inputs * PANEL;
  for (int i = 0; i < inputs; i++)
    for (int c = 0; c < PANEL; c += LANES) {
      const float *column = from + i * input_stride + c * output_stride;
      transform_kernel_vector(a->transposed ? column + 8 * tap_words : column, a->transposed ? -tap_words : tap_words,
                              output_stride, outputs - first - c, to + i * PANEL + c, inputs * PANEL);
    }
}
