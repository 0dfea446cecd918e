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

// Few inputs a tap (the first layer): one long row [taps][inputs] a position is gathered instead. Taps side by side in
// memory are copied at once.
static void gather_row(const window *w, int row, int channel, int inputs, float *to) {
  const window_position p = window_at(w, row);
  for (int ky = 0; ky < w->taps_y; ky++) {
    const float *first = window_input(w, p, ky, 0), *last = window_input(w, p, ky, w->taps_x - 1);
    if (w->step_x == 1 && inputs == w->in_channels && first && last) {
      copy_run(first, w->taps_x * inputs, to);
      to += w->taps_x * inputs;
      continue;
    }
    for (int kx = 0; kx < w->taps_x; kx++, to += inputs) {
      const float *pixel = window_input(w, p, ky, kx);
      for (int i = 0; i < inputs; i++) to[i] = pixel ? pixel[channel + i] : 0;
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

static void gather_tile(const window *w, int row, int end, int channel, int inputs, float *to, igemm_tile *tile) {
  const int depth = w->taps_y * w->taps_x * inputs;
  for (int r = 0; r < MICRO_ROWS; r++) {
    const int inside = row + r < end;
    if (inside) gather_row(w, row + r, channel, inputs, to + r * depth);
    tile->taps->row[r] = inside ? to + r * depth : to;
    tile->outputs[r] = inside ? window_output(w, window_at(w, row + r)) : 0;
  }
  tile->taps->weights = 0;
  tile->count = 1;
}

void conv_igemm_forward_task(const conv_igemm_forward_args *args, int task, int thread) {
  const igemm g = igemm_of(args);
  const int panel_blocks = ceil_div(g.panels, g.block_panels);
  const int first_panel = task % panel_blocks * g.block_panels;
  const int last_panel = min_int(first_panel + g.block_panels, g.panels);
  const int group = task / panel_blocks % args->groups;
  const int first_row = task / panel_blocks / args->groups * g.block_rows;
  const int end_row = min_int(first_row + g.block_rows, window_rows(&g.w));
  const int tiles = ceil_div(end_row - first_row, MICRO_ROWS);
  const int taps = g.w.taps_y * g.w.taps_x;
  const int tile_taps = args->gather ? 1 : taps;
  const int depth = args->gather ? taps * g.inputs : g.inputs;

  scratch s = scratch_of(thread);
  igemm_tile *tile = scratch_take(&s, tiles * (long)sizeof(igemm_tile));
  micro_tap *table = scratch_take(&s, ((long)tiles * tile_taps + 1) * (long)sizeof(micro_tap));
  float *inputs = scratch_floats(&s, args->gather ? (long)tiles * MICRO_ROWS * depth : depth);
  if (!args->gather)
    for (int i = 0; i < depth; i++) inputs[i] = 0;
  for (int t = 0; t < tiles; t++) {
    const int row = first_row + t * MICRO_ROWS;
    tile[t].taps = table + t * tile_taps;
    if (args->gather)
      gather_tile(&g.w, row, end_row, group * g.inputs, g.inputs, inputs + t * MICRO_ROWS * depth, &tile[t]);
    else
      tile[t].count = window_tile(&g.w, row, end_row, group * g.inputs, inputs, g.inputs * PANEL, tile[t].taps, tile[t].outputs);
  }

  const int ask = !args->gather && comes_from_afar(&g.w);
  float sums[MICRO_SIZE];
  const float *bias = args->bias ? F32(args->bias) : 0;
  for (int p = first_panel; p < last_panel; p++) {
    const float *panel = weights_at(F32(args->packed), (long)(group * g.panels + p) * g.panel_words, args->halves);
    const int column = group * g.outputs + p * PANEL;
    const output_panel output =
        output_of(bias ? bias + column : 0, min_int(PANEL, g.outputs - p * PANEL), args->relu, args->accumulate);
    for (int t = 0; t < tiles; t++) {
      if (ask && p == first_panel && t + 1 < tiles) ask_for_tile(&tile[t + 1], g.inputs);
      int rows = 0;
      while (rows < MICRO_ROWS && tile[t].outputs[rows]) rows++;
      micro_taps(tile[t].taps, tile[t].count, rows, panel, args->halves, depth, output.columns,
                 ahead_of(g.panel_words, depth, t, tiles, args->halves), sums);
      for (int r = 0; r < rows; r++)
        output_store(&output, sums + r * PANEL, tile[t].outputs[r] + column);
    }
  }
}
