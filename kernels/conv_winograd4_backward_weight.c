// The gradient of a 3×3 convolution's weights, stride 1, by Winograd's F(3×3, 4×4): dw = Aᵀ [(G dy Gᵀ) ⊙ (Bᵀ x B)] A, summed
// over tiles of 4×4 output gradients and 6×6 inputs before the last transform.
//
// A task makes block_lines lines of the 6×6 points for block_inputs inputs × block_panels panels of one group: it goes through
// all tiles in chunks, transforms what those lines need, and adds to its part of `products`
// [groups][6][6][inputs / MICRO_ROWS][panels][MICRO_ROWS][PANEL]. Nobody else touches that part, and the order of sums is
// fixed by the chunks: threads do not show. conv_winograd4_backward_weight_finish then makes the 3×3 taps.
#define WINOGRAD 4
#include "conv_scratch.h"
#include "conv_winograd_tile.h"

// Words from one point's products to the next: a cache line more than they need, or all points would fall on the same lines of L1.
static long products_of_point(int quads, int panels) { return (long)quads * panels * MICRO_SIZE + 16; }

typedef const conv_winograd4_backward_weight_args arguments;
typedef const conv_winograd4_backward_weight_finish_args finish_arguments;

// Rows of Bᵀ and G: the four lines that a line of points is made of, and their factors.
typedef struct {
  int line[4];
  float factor[4];
} line_sum;

static const line_sum input_lines[TILE] = {
    {{0, 2, 4, 4}, {4, -5, 1, 0}},   {{1, 2, 3, 4}, {-4, -4, 1, 1}}, {{1, 2, 3, 4}, {4, -4, -1, 1}},
    {{1, 2, 3, 4}, {-2, -1, 2, 1}}, {{1, 2, 3, 4}, {2, -1, -2, 1}}, {{1, 3, 5, 5}, {4, -5, 1, 0}},
};

#define SIXTH (1.0f / 6)
#define TWELFTH (1.0f / 12)
#define TWENTY_FOURTH (1.0f / 24)

static const line_sum gradient_lines[TILE] = {
    {{0, 0, 0, 0}, {0.25f, 0, 0, 0}},
    {{0, 1, 2, 3}, {-SIXTH, -SIXTH, -SIXTH, -SIXTH}},
    {{0, 1, 2, 3}, {-SIXTH, SIXTH, -SIXTH, SIXTH}},
    {{0, 1, 2, 3}, {TWENTY_FOURTH, TWELFTH, SIXTH, 2 * SIXTH}},
    {{0, 1, 2, 3}, {TWENTY_FOURTH, -TWELFTH, SIXTH, -2 * SIXTH}},
    {{3, 3, 3, 3}, {1, 0, 0, 0}},
};

static int group_inputs(arguments *a) { return a->in_channels / a->groups; }
static int group_outputs(arguments *a) { return a->out_channels / a->groups; }
static int input_blocks(arguments *a) { return ceil_div(group_inputs(a), a->block_inputs); }
static int panel_blocks(arguments *a) { return ceil_div(ceil_div(group_outputs(a), PANEL), a->block_panels); }

int conv_winograd4_backward_weight_tasks(arguments *a) {
  return a->groups * (TILE / a->block_lines) * input_blocks(a) * panel_blocks(a);
}

// Pixels of the four lines that `sum` names × `columns` columns of an image, from (top, left) on; `zeros` outside.
static void line_pixels(const line_sum *sum, const float *image, int height, int width, int channels, int top, int left,
                        int columns, const float *zeros, const float **pixels) {
  for (int k = 0; k < 4; k++) {
    const int y = top + sum->line[k];
    const float *line = image + (long)y * width * channels;
    for (int x = left; x < left + columns; x++) *pixels++ = y >= 0 && y < height && x >= 0 && x < width ? line + (long)x * channels : zeros;
  }
}

// One column of one vector of channels: the sum over the four lines.
INLINE vf sum_lines(const float *const *pixels, int columns, int c, int count, const vf factor[4]) {
  vf sum = load_lanes(pixels[0] + c, count) * factor[0];
  UNROLL
  for (int k = 1; k < 4; k++) sum += load_lanes(pixels[k * columns] + c, count) * factor[k];
  return sum;
}

// Stores channels c … c + LANES of a position in columns of `width` channels.
INLINE void store_column(float *columns, long column_words, int width, int c, vf v) {
  if (width >= LANES) {
    store(columns + c / width * column_words + c % width, v);
    return;
  }
  for (int i = 0; i < LANES; i += width)
    __builtin_memcpy(columns + (c + i) / width * column_words, (float *)&v + i, sizeof(float) * width);
}

INLINE void transform_input_lines(const float *const *pixels, const vf factor[4], int c, int count, float *to,
                                  long point_words, long column_words) {
  vf d[TILE], t[TILE];
  NO_UNROLL
  for (int x = 0; x < TILE; x++) d[x] = sum_lines(pixels + x, TILE, c, count, factor);
  winograd4_data(d, t);
  UNROLL
  for (int x = 0; x < TILE; x++) store_column(to + x * point_words, column_words, MICRO_ROWS, c, t[x]);
}

INLINE void transform_gradient_lines(const float *const *pixels, const vf factor[4], int c, int count, float *to,
                                     long point_words, long column_words) {
  vf g[WINOGRAD], t[TILE];
  NO_UNROLL
  for (int x = 0; x < WINOGRAD; x++) g[x] = sum_lines(pixels + x, WINOGRAD, c, count, factor);
  winograd4_gradient(g, t);
  UNROLL
  for (int x = 0; x < TILE; x++) store_column(to + x * point_words, column_words, PANEL, c, t[x]);
}

NOINLINE static void transform_inputs(const float *const *pixels, const line_sum *sum, int channels, float *to,
                                      long point_words, long column_words) {
  const vf factor[4] = {splat(sum->factor[0]), splat(sum->factor[1]), splat(sum->factor[2]), splat(sum->factor[3])};
  FOR_VECTORS(c, count, channels, transform_input_lines(pixels, factor, c, count, to, point_words, column_words););
}

NOINLINE static void transform_gradients(const float *const *pixels, const line_sum *sum, int channels, float *to,
                                         long point_words, long column_words) {
  const vf factor[4] = {splat(sum->factor[0]), splat(sum->factor[1]), splat(sum->factor[2]), splat(sum->factor[3])};
  FOR_VECTORS(c, count, channels, transform_gradient_lines(pixels, factor, c, count, to, point_words, column_words););
}

// One task's part of the result, and its transformed tiles: [lines][TILE][columns][chunk_tiles][MICRO_ROWS or PANEL].
typedef struct {
  int group, line, input, panel; // the first of each
  int inputs, outputs;
  int x_columns, dy_columns;
  long x_column, dy_column;
  float *x, *dy;
  const float *zeros;
} block;

static block block_of(arguments *a, int task, int thread) {
  block b;
  b.panel = task % panel_blocks(a) * a->block_panels;
  task /= panel_blocks(a);
  b.input = task % input_blocks(a) * a->block_inputs;
  task /= input_blocks(a);
  b.line = task % (TILE / a->block_lines) * a->block_lines;
  b.group = task / (TILE / a->block_lines);
  b.inputs = min_int(a->block_inputs, group_inputs(a) - b.input);
  b.outputs = min_int(a->block_panels * PANEL, group_outputs(a) - b.panel * PANEL);
  b.x_columns = ceil_div(b.inputs, LANES) * (LANES / MICRO_ROWS); // whole vectors are written
  b.dy_columns = ceil_div(b.outputs, PANEL);
  // Columns end in a cache line of their own: at multiples of 4 KiB they would fall on the same lines of L1.
  b.x_column = a->chunk_tiles * MICRO_ROWS + 16, b.dy_column = a->chunk_tiles * PANEL + 16;
  scratch s = scratch_of(thread);
  b.zeros = scratch_zeros(&s, b.inputs > b.outputs ? b.inputs : b.outputs);
  b.x = scratch_floats(&s, a->block_lines * TILE * b.x_columns * b.x_column);
  b.dy = scratch_floats(&s, a->block_lines * TILE * b.dy_columns * b.dy_column);
  return b;
}

// All of the task's lines of tile number `tile`, which is number t of the chunk.
static void transform_tile(arguments *a, const block *b, int tile, int t) {
  const float *pixels[4 * TILE];
  const tile_position p = tile_at(tile, a->out_height, a->out_width);
  const float *x = F32(a->x) + (long)p.n * a->in_height * a->in_width * a->in_channels + b->group * group_inputs(a) + b->input;
  const float *dy = F32(a->dy) + (long)p.n * a->out_height * a->out_width * a->out_channels + b->group * group_outputs(a) +
                    b->panel * PANEL;
  const long x_line = b->x_columns * b->x_column, dy_line = b->dy_columns * b->dy_column;
  for (int i = 0; i < a->block_lines; i++) {
    const line_sum *sum = &input_lines[b->line + i];
    line_pixels(sum, x, a->in_height, a->in_width, a->in_channels, p.y - a->pad_y, p.x - a->pad_x, TILE, b->zeros, pixels);
    transform_inputs(pixels, sum, b->inputs, b->x + i * TILE * x_line + t * MICRO_ROWS, x_line, b->x_column);
    sum = &gradient_lines[b->line + i];
    line_pixels(sum, dy, a->out_height, a->out_width, a->out_channels, p.y, p.x, WINOGRAD, b->zeros, pixels);
    transform_gradients(pixels, sum, b->outputs, b->dy + i * TILE * dy_line + t * PANEL, dy_line, b->dy_column);
  }
}

// products of one point += what `count` transformed tiles give; with `first` the products are new.
static void multiply_point(const block *b, int count, int first, const float *x, const float *dy, float *products, int panels) {
  const micro_segment all = {0, 0, count};
  for (int i = 0; i < ceil_div(b->inputs, MICRO_ROWS); i++) {
    float *sums = products + (long)i * panels * MICRO_SIZE;
    for (int k = 0; first && k < b->dy_columns * MICRO_SIZE; k += LANES) store(sums + k, splat(0));
    for (int p = 0; p < b->dy_columns; p++, sums += MICRO_SIZE)
      micro_columns(&all, 1, x + i * b->x_column, MICRO_ROWS, dy + p * b->dy_column, sums);
  }
}

void conv_winograd4_backward_weight_task(arguments *a, int task, int thread) {
  const block b = block_of(a, task, thread);
  const int panels = ceil_div(group_outputs(a), PANEL), quads = ceil_div(group_inputs(a), MICRO_ROWS);
  const int tiles = a->batch * ceil_div(a->out_height, WINOGRAD) * ceil_div(a->out_width, WINOGRAD);
  const long point_words = products_of_point(quads, panels);
  float *products = F32(a->products) + (long)(b.group * TILE + b.line) * TILE * point_words +
                    ((long)b.input / MICRO_ROWS * panels + b.panel) * MICRO_SIZE;
  for (int first = 0; first < tiles; first += a->chunk_tiles) {
    const int count = min_int(a->chunk_tiles, tiles - first);
    for (int t = 0; t < count; t++) transform_tile(a, &b, first + t, t);
    for (int point = 0; point < a->block_lines * TILE; point++)
      multiply_point(&b, count, first == 0, b.x + point * b.x_columns * b.x_column, b.dy + point * b.dy_columns * b.dy_column,
                     products + point * point_words, panels);
  }
}

int conv_winograd4_backward_weight_finish_tasks(finish_arguments *a) {
  return a->groups * ceil_div(a->in_channels / a->groups, MICRO_ROWS);
}

// Aᵀ m A of one vector: products [6][6] `point_words` apart → taps [3][3][LANES].
NOINLINE static void transform_taps(const float *products, long point_words, float *taps) {
  vf half[3][TILE];
  NO_UNROLL
  for (int x = 0; x < TILE; x++) {
    vf m[TILE], y[3];
    UNROLL
    for (int i = 0; i < TILE; i++) m[i] = load(products + (i * TILE + x) * point_words);
    winograd4_taps(m, y);
    UNROLL
    for (int i = 0; i < 3; i++) half[i][x] = y[i];
  }
  NO_UNROLL
  for (int i = 0; i < 3; i++) {
    vf y[3];
    winograd4_taps(half[i], y);
    UNROLL
    for (int j = 0; j < 3; j++, taps += LANES) store(taps, y[j]);
  }
}

void conv_winograd4_backward_weight_finish_task(finish_arguments *a, int task, int thread) {
  (void)thread;
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups;
  const int quads = ceil_div(inputs, MICRO_ROWS), panels = ceil_div(outputs, PANEL);
  const int group = task / quads, quad = task % quads;
  const long point_words = products_of_point(quads, panels);
  const float *products = F32(a->products) + group * TILE_POINTS * point_words + (long)quad * panels * MICRO_SIZE;
  for (int r = 0; r < min_int(MICRO_ROWS, inputs - quad * MICRO_ROWS); r++)
    for (int c = 0; c < outputs; c += LANES) {
      float taps[9 * LANES];
      transform_taps(products + c / PANEL * MICRO_SIZE + r * PANEL + c % PANEL, point_words, taps);
      for (int tap = 0; tap < 9; tap++) {
        float *to = F32(a->dw) + ((long)tap * inputs + quad * MICRO_ROWS + r) * a->out_channels + group * outputs + c;
        const int count = min_int(LANES, outputs - c);
        vf v = load(taps + tap * LANES);
        if (a->accumulate) v += load_lanes(to, count);
        store_lanes(to, v, count);
      }
    }
}
