// Convolution as an implicit matrix product: nothing is expanded, a table of row pointers per tap stands for im2col.
// Packed weights: [groups][panels][taps][inputs of a group][PANEL], columns beyond the group's outputs zero; floats, or halves
// (see conv_micro.h).
//
// A task is block_rows output positions × block_panels panels of one group. Every output is summed over taps and inputs in
// one fixed order, so neither the blocks nor the threads show in the result.
#include "conv_output.h"
#include "conv_scratch.h"
#include "conv_window.h"
#include "pool.h"

typedef struct {
  window w;
  int inputs, outputs; // of one group
  int panels, panel_words, block_rows, block_panels;
} igemm;

static igemm igemm_of(const conv_igemm_forward_args *args) {
  igemm g = {.w = WINDOW_OF(args)};
  g.inputs = args->in_channels / args->groups;
  g.outputs = args->out_channels / args->groups;
  g.panels = ceil_div(g.outputs, PANEL);
  g.panel_words = args->taps_y * args->taps_x * g.inputs * PANEL;
  g.block_rows = args->block_rows;
  g.block_panels = args->block_panels;
  return g;
}

int conv_igemm_forward_tasks(const conv_igemm_forward_args *args) {
  const igemm g = igemm_of(args);
  return ceil_div(window_rows(&g.w), g.block_rows) * args->groups * ceil_div(g.panels, g.block_panels);
}

// What a micro-tile of the block needs.
typedef struct {
  micro_tap *taps;
  int count;
  float *outputs[MICRO_ROWS];
} igemm_tile;

INLINE void copy_run(const float *from, int n, float *to) {
  if (n < LANES) {
    store_tail(to, load_tail(from, n), n);
    return;
  }
  for (int i = 0; i < n - LANES; i += LANES) store(to + i, load(from + i));
  store(to + n - LANES, load(from + n - LANES));
}

// Few inputs a tap (the first layer): one long row [taps][inputs] a position is gathered instead, for `count` positions side by side.
// Taps side by side in memory are copied at once.
static void gather_rows(const window *w, window_position p, int count, int channel, int inputs, float *to, long row_words) {
  const int run = w->taps_x * inputs, together = w->step_x == 1 && inputs == w->in_channels;
  for (int ky = 0; ky < w->taps_y; ky++, to += run) {
    const int y = p.y * w->stride_y + w->offset_y + ky * w->step_y, is_line = y >= 0 && y < w->in_height;
    const float *line = w->x + (long)(p.n * w->in_height + (is_line ? y : 0)) * w->in_width * w->in_channels + channel;
    float *row = to;
    for (int i = 0; i < count; i++, row += row_words) {
      const int x = (p.x + i) * w->stride_x + w->offset_x;
      if (is_line && together && x >= 0 && x + w->taps_x <= w->in_width) {
        copy_run(line + (long)x * w->in_channels, run, row);
        continue;
      }
      for (int kx = 0; kx < w->taps_x; kx++) {
        const int column = x + kx * w->step_x, inside = is_line && column >= 0 && column < w->in_width;
        for (int c = 0; c < inputs; c++) row[kx * inputs + c] = inside ? line[(long)column * w->in_channels + c] : 0;
      }
    }
  }
}

// Images of more words than this do not stay in L2 beside weights and outputs.
enum { FAR_WORDS = (256 << 10) / 4 };

// Inputs that come from beyond L2 arrive too late: the rows of a tile are many short runs, which no hardware foresees. So while
// one tile is multiplied, the next one's are asked for.
static int comes_from_afar(const window *w) {
  return MICRO_PREFETCH && (long)w->in_height * w->in_width * w->in_channels > FAR_WORDS;
}

static void ask_for_tile(const igemm_tile *tile, int inputs) {
  for (const micro_tap *tap = tile->taps, *end = tap + tile->count; tap < end; tap++)
    for (int r = 0; r < MICRO_ROWS; r++)
      for (int i = 0; i < inputs; i += 16) __builtin_prefetch(tap->row[r] + i, 0, 3);
}

// The part of the output that a task makes.
typedef struct {
  int first_row, end_row, group, first_panel, last_panel;
} igemm_block;

static igemm_block block_of(const conv_igemm_forward_args *args, const igemm *g, int task) {
  const int panel_blocks = ceil_div(g->panels, g->block_panels);
  igemm_block b;
  b.first_panel = task % panel_blocks * g->block_panels;
  b.last_panel = min_int(b.first_panel + g->block_panels, g->panels);
  b.group = task / panel_blocks % args->groups;
  b.first_row = task / panel_blocks / args->groups * g->block_rows;
  b.end_row = min_int(b.first_row + g->block_rows, window_rows(&g->w));
  return b;
}

INLINE const float *panel_weights(const conv_igemm_forward_args *args, const igemm *g, int group, int panel) {
  return weights_at(F32(args->packed), (long)(group * g->panels + panel) * g->panel_words, args->halves);
}

INLINE output_panel panel_output(const conv_igemm_forward_args *args, const igemm *g, int column, int panel) {
  return output_of(args->bias ? F32(args->bias) + column : 0, min_int(PANEL, g->outputs - panel * PANEL), args->relu,
                   args->accumulate);
}

// Gathered rows [rows][taps · inputs], all of which a panel's weights meet in one call.
static void multiply_gathered(const conv_igemm_forward_args *args, const igemm *g, const igemm_block *b, scratch s) {
  const int rows = b->end_row - b->first_row, depth = g->w.taps_y * g->w.taps_x * g->inputs;
  const long made_rows = ceil_div(rows, MICRO_ROWS) * MICRO_ROWS;
  float **outputs = scratch_take(&s, rows * (long)sizeof(float *));
  float *inputs = scratch_floats(&s, made_rows * depth);
  float *sums = scratch_floats(&s, made_rows * PANEL);
  for (int r = 0, count; r < rows; r += count) {
    const window_position p = window_at(&g->w, b->first_row + r);
    count = g->w.batch_inner ? 1 : min_int(rows - r, g->w.grid_width - p.x);
    gather_rows(&g->w, p, count, b->group * g->inputs, g->inputs, inputs + (long)r * depth, depth);
    float *output = window_output(&g->w, p);
    for (int i = 0; i < count; i++, output += g->w.out_stride_x * g->w.out_channels) outputs[r + i] = output;
  }
  for (long k = (long)rows * depth; k < made_rows * depth; k++) inputs[k] = 0; // rows that fill up a micro-tile
  for (int p = b->first_panel; p < b->last_panel; p++) {
    const int column = b->group * g->outputs + p * PANEL;
    const output_panel output = panel_output(args, g, column, p);
    micro_rows(inputs, depth, rows, panel_weights(args, g, b->group, p), args->halves, g->panel_words, depth, output.columns, 0, sums);
    for (int r = 0; r < rows; r++) output_store(&output, sums + r * PANEL, outputs[r] + column);
  }
}

// Rows read in place, tap by tap.
static void multiply_taps(const conv_igemm_forward_args *args, const igemm *g, const igemm_block *b, scratch s) {
  const int tiles = ceil_div(b->end_row - b->first_row, MICRO_ROWS), taps = g->w.taps_y * g->w.taps_x;
  igemm_tile *tile = scratch_take(&s, tiles * (long)sizeof(igemm_tile));
  micro_tap *table = scratch_take(&s, ((long)tiles * taps + 1) * (long)sizeof(micro_tap));
  const float *zeros = scratch_zeros(&s, g->inputs);
  for (int t = 0; t < tiles; t++) {
    tile[t].taps = table + t * taps;
    tile[t].count = window_tile(&g->w, b->first_row + t * MICRO_ROWS, b->end_row, b->group * g->inputs, zeros, g->inputs * PANEL,
                                tile[t].taps, tile[t].outputs);
  }

  const int ask = comes_from_afar(&g->w);
  float sums[MICRO_SIZE];
  for (int p = b->first_panel; p < b->last_panel; p++) {
    const int column = b->group * g->outputs + p * PANEL;
    const output_panel output = panel_output(args, g, column, p);
    for (int t = 0; t < tiles; t++) {
      if (ask && p == b->first_panel && t + 1 < tiles) ask_for_tile(&tile[t + 1], g->inputs);
      int rows = 0;
      while (rows < MICRO_ROWS && tile[t].outputs[rows]) rows++;
      micro_taps(tile[t].taps, tile[t].count, rows, panel_weights(args, g, b->group, p), args->halves, g->inputs, output.columns,
                 ahead_of(g->panel_words, g->inputs, t, tiles, args->halves), sums);
      for (int r = 0; r < rows; r++)
        output_store(&output, sums + r * PANEL, tile[t].outputs[r] + column);
    }
  }
}

void conv_igemm_forward_task(const conv_igemm_forward_args *args, int task, int thread) {
  const igemm g = igemm_of(args);
  const igemm_block b = block_of(args, &g, task);
  (args->gather ? multiply_gathered : multiply_taps)(args, &g, &b, scratch_of(thread));
}
