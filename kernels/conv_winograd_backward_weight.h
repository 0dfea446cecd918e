// The gradient of a 3×3 convolution's weights by Winograd's algorithm, to be included with what conv_winograd_tile.h wants:
// dw = Aᵀ [(G dy Gᵀ) ⊙ (Bᵀ x B)] A, summed over tiles of 4×4 output gradients and their inputs before the last transform.
//
// A task sums for block_inputs inputs × block_panels panels of one group. It goes through all tiles in chunks: transforms them
// to [TILE²][inputs / LANES][tiles][LANES] and [TILE²][panels][tiles][PANEL], and adds their products to its part of
// `products` [groups][KERNEL_POINTS][inputs / MICRO_ROWS][panels][MICRO_ROWS][PANEL], where points that meet the same point of the
// kernel add up. The order of sums is fixed by the chunks, which depend on the geometry alone. The _finish kernel then makes the 3×3 taps.
#include "conv_scratch.h"
#include "conv_winograd_tile.h"

// Words from one point's products to the next: a cache line more than they need, or all points would fall on the same lines of L1.
static long products_of_point(int quads, int panels) { return (long)quads * panels * MICRO_SIZE + 16; }

#define CONV_NAME(suffix) WINOGRAD_JOIN(conv_winograd, WINOGRAD_KIND, suffix)

typedef const CONV_NAME(_backward_weight_args) arguments;
typedef const CONV_NAME(_backward_weight_finish_args) finish_arguments;

static int group_inputs(arguments *a) { return a->in_channels / a->groups; }
static int group_outputs(arguments *a) { return a->out_channels / a->groups; }
static int input_blocks(arguments *a) { return ceil_div(group_inputs(a), a->block_inputs); }
static int panel_blocks(arguments *a) { return ceil_div(ceil_div(group_outputs(a), PANEL), a->block_panels); }

int CONV_NAME(_backward_weight_tasks)(arguments *a) { return a->groups * input_blocks(a) * panel_blocks(a); }

// G dy Gᵀ of one vector of `count` channels from channel c on.
INLINE void transform_gradient_vector(const float *const *pixels, tile_position p, int c, int count, float *to, long point_words) {
  vf half[TILE][WINOGRAD];
  const int columns = p.edge_x ? EDGE_OUTPUTS : WINOGRAD;
  NO_UNROLL
  for (int x = 0; x < columns; x++) {
    vf g[WINOGRAD], t[TILE];
    UNROLL
    for (int i = 0; i < WINOGRAD; i++) g[i] = load_lanes(pixels[i * WINOGRAD + x] + c, count);
    WINOGRAD_AXIS(_gradient, p.edge_y, g, t);
    UNROLL
    for (int i = 0; i < TILE; i++) half[i][x] = t[i];
  }
  NO_UNROLL
  for (int y = 0; y < TILE; y++) {
    vf t[TILE];
    WINOGRAD_AXIS(_gradient, p.edge_x, half[y], t);
    UNROLL
    for (int i = 0; i < TILE; i++, to += point_words) store(to, t[i]);
  }
}

// All channels of a tile's output gradients; columns of PANEL channels are column_words apart.
NOINLINE static void transform_gradient(const float *const *pixels, tile_position p, int channels, float *to, long point_words,
                                        long column_words) {
  FOR_VECTORS(c, count, channels,
              transform_gradient_vector(pixels, p, c, count, to + c / PANEL * column_words + c % PANEL, point_words););
}

// One task's part of the result, and its transformed tiles.
typedef struct {
  int group, input, panel; // the first of each
  int inputs, outputs, quads, panels;
  long x_column, x_point, dy_column, dy_point; // words
  float *x, *dy;
  const float *zeros;
  int *order;
} block;

static block block_of(arguments *a, int task, int thread) {
  block b;
  b.panel = task % panel_blocks(a) * a->block_panels;
  task /= panel_blocks(a);
  b.input = task % input_blocks(a) * a->block_inputs;
  b.group = task / input_blocks(a);
  b.inputs = min_int(a->block_inputs, group_inputs(a) - b.input);
  b.outputs = min_int(a->block_panels * PANEL, group_outputs(a) - b.panel * PANEL);
  b.quads = ceil_div(b.inputs, MICRO_ROWS);
  b.panels = ceil_div(b.outputs, PANEL);
  // Columns end in a cache line of their own: at multiples of 4 KiB they would fall on the same lines of L1.
  b.x_column = a->chunk_tiles * LANES + 16;
  b.dy_column = a->chunk_tiles * PANEL + 16;
  b.x_point = ceil_div(b.inputs, LANES) * b.x_column;
  b.dy_point = b.panels * b.dy_column;
  scratch s = scratch_of(thread);
  b.zeros = scratch_zeros(&s, b.inputs > b.outputs ? b.inputs : b.outputs);
  b.order = scratch_take(&s, a->chunk_tiles * (long)sizeof(int));
  b.x = scratch_floats(&s, TILE_POINTS * b.x_point);
  b.dy = scratch_floats(&s, TILE_POINTS * b.dy_point);
  return b;
}

// Tile number `tile` of all, which is number t of the chunk.
static void transform_tile(arguments *a, const block *b, int tile, int t) {
  const float *pixels[TILE_INPUTS * TILE_INPUTS];
  const tile_position p = tile_at(tile, a->out_height, a->out_width);
  tile_pixels(F32(a->x), a->in_height, a->in_width, a->in_channels, p.n, tile_input(p.y) - a->pad_y, tile_input(p.x) - a->pad_x,
              TILE_INPUTS, b->group * group_inputs(a) + b->input, b->zeros, pixels);
  transform_input(pixels, p, b->inputs, b->x + t * LANES, b->x_point, b->x_column);
  tile_pixels(F32(a->dy), a->out_height, a->out_width, a->out_channels, p.n, p.y, p.x, WINOGRAD,
              b->group * group_outputs(a) + b->panel * PANEL, b->zeros, pixels);
  transform_gradient(pixels, p, b->outputs, b->dy + t * PANEL, b->dy_point, b->dy_column);
}

// products of one point += what a range of the transformed tiles gives; with `first` the products are new.
static void multiply_point(const block *b, tile_range range, int first, const float *x, const float *dy, float *products, int panels) {
  const micro_segment tiles = {range.begin * LANES, range.begin * PANEL, range.end - range.begin};
  for (int i = 0; i < b->quads; i++) {
    const float *quad = x + i * MICRO_ROWS / LANES * b->x_column + i * MICRO_ROWS % LANES;
    float *sums = products + (long)i * panels * MICRO_SIZE;
    for (int k = 0; first && k < b->panels * MICRO_SIZE; k += LANES) store(sums + k, splat(0));
    micro_columns(&tiles, 1, quad, LANES, dy, b->dy_column, b->outputs, sums);
  }
}

// True of the first point that meets its point of the kernel.
static int is_first_of(int point) { return point / TILE < KERNEL_TILE && point % TILE < KERNEL_TILE; }

void CONV_NAME(_backward_weight_task)(arguments *a, int task, int thread) {
  const block b = block_of(a, task, thread);
  const int panels = ceil_div(group_outputs(a), PANEL), quads = ceil_div(group_inputs(a), MICRO_ROWS);
  const int tiles = a->batch * ceil_div(a->out_height, WINOGRAD) * ceil_div(a->out_width, WINOGRAD);
  const long point_words = products_of_point(quads, panels);
  float *products = F32(a->products) + b.group * KERNEL_POINTS * point_words +
                    ((long)b.input / MICRO_ROWS * panels + b.panel) * MICRO_SIZE;
  for (int first = 0; first < tiles; first += a->chunk_tiles) {
    const int count = min_int(a->chunk_tiles, tiles - first);
    const tile_order order = order_tiles(first, count, a->out_height, a->out_width, b.order);
    for (int t = 0; t < count; t++) transform_tile(a, &b, order.tile[t], t);
    for (int point = 0; point < TILE_POINTS; point++) {
      const int kernel = kernel_point(point), begins = first == 0 && is_first_of(point);
      multiply_point(&b, tiles_of_point(&order, point), begins, b.x + point * b.x_point, b.dy + point * b.dy_point,
                     products + kernel * point_words, panels);
    }
  }
}

int CONV_NAME(_backward_weight_finish_tasks)(finish_arguments *a) {
  return a->groups * ceil_div(a->in_channels / a->groups, MICRO_ROWS);
}

// Aᵀ m A of one vector: products [KERNEL_POINTS] `point_words` apart → taps [3][3][LANES].
NOINLINE static void transform_taps(const float *products, long point_words, float *taps) {
  vf half[3][KERNEL_TILE];
  NO_UNROLL
  for (int x = 0; x < KERNEL_TILE; x++) {
    vf m[KERNEL_TILE], y[3];
    UNROLL
    for (int i = 0; i < KERNEL_TILE; i++) m[i] = load(products + (i * KERNEL_TILE + x) * point_words);
    WINOGRAD_NAME(_taps)(m, y);
    UNROLL
    for (int i = 0; i < 3; i++) half[i][x] = y[i];
  }
  NO_UNROLL
  for (int i = 0; i < 3; i++) {
    vf y[3];
    WINOGRAD_NAME(_taps)(half[i], y);
    UNROLL
    for (int j = 0; j < 3; j++, taps += LANES) store(taps, y[j]);
  }
}

void CONV_NAME(_backward_weight_finish_task)(finish_arguments *a, int task, int thread) {
  (void)thread;
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups;
  const int quads = ceil_div(inputs, MICRO_ROWS), panels = ceil_div(outputs, PANEL);
  const int group = task / quads, quad = task % quads;
  const long point_words = products_of_point(quads, panels);
  const float *products = F32(a->products) + group * KERNEL_POINTS * point_words + (long)quad * panels * MICRO_SIZE;
  for (int r = 0; r < min_int(MICRO_ROWS, inputs - quad * MICRO_ROWS); r++)
    for (int c = 0; c < outputs; c += LANES) {
      float taps[9 * LANES];
      transform_taps(products + c / PANEL * MICRO_SIZE + r * PANEL + c % PANEL, point_words, taps);
      NO_UNROLL
      for (int tap = 0; tap < 9; tap++) {
        float *to = F32(a->dw) + ((long)tap * inputs + quad * MICRO_ROWS + r) * a->out_channels + group * outputs + c;
        const int count = min_int(LANES, outputs - c);
        vf v = load(taps + tap * LANES);
        if (a->accumulate) v += load_lanes(to, count);
        store_lanes(to, v, count);
      }
    }
}
