// Integer convolution as an implicit matrix product of bytes; see conv_igemm_forward.c, whose blocks and tables it has.
// Packed weights: [groups][panels][taps][words of a group][PANEL][4]: a word is 4 inputs, 0 where the group has no more.
#include "pool.h"
#include "u8_output.h"
#include "u8_window.h"

typedef struct {
  u8_window w;
  u8_output output;
  int inputs, outputs; // of one group
  int words;           // of a tap
  int panels, panel_words;
} u8_igemm;

static u8_igemm igemm_of(const conv_u8_igemm_forward_args *args) {
  u8_igemm g = {.w = U8_WINDOW_OF(args), .output = U8_OUTPUT_OF(args)};
  g.inputs = args->in_channels / args->groups;
  g.outputs = args->out_channels / args->groups;
  g.words = row_words_of(g.inputs);
  g.panels = ceil_div(g.outputs, PANEL);
  g.panel_words = args->kernel_height * args->kernel_width * g.words * PANEL;
  return g;
}

int conv_u8_igemm_forward_tasks(const conv_u8_igemm_forward_args *args) {
  const int positions = args->batch * args->out_height * args->out_width;
  const int panels = ceil_div(args->out_channels / args->groups, PANEL);
  return ceil_div(positions, args->block_rows) * args->groups * ceil_div(panels, args->block_panels);
}

typedef struct {
  int group, first_row, end_row, first_panel, end_panel;
} u8_block;

static u8_block block_of(const conv_u8_igemm_forward_args *args, const u8_igemm *g, int task) {
  const int panel_blocks = ceil_div(g->panels, args->block_panels);
  u8_block b;
  b.first_panel = task % panel_blocks * args->block_panels;
  b.end_panel = min_int(b.first_panel + args->block_panels, g->panels);
  b.group = task / panel_blocks % args->groups;
  b.first_row = task / panel_blocks / args->groups * args->block_rows;
  b.end_row = min_int(b.first_row + args->block_rows, u8_positions(&g->w));
  return b;
}

INLINE const int32_t *panel_weights(const conv_u8_igemm_forward_args *args, const u8_igemm *g, int group, int panel) {
  return I32(args->packed) + (long)(group * g->panels + panel) * g->panel_words;
}

INLINE u8_panel panel_of(const u8_igemm *g, int group, int panel) {
  return u8_panel_of(&g->output, group * g->outputs + panel * PANEL, min_int(PANEL, g->outputs - panel * PANEL));
}

// One position's inputs of all taps, one after another: [taps][words].
static void gather_position(const u8_igemm *g, int position, int first_byte, const uint8_t *outside, int32_t *to) {
  const u8_corner corner = u8_corner_of(&g->w, position);
  for (int ky = 0; ky < g->w.kernel_height; ky++)
    for (int kx = 0; kx < g->w.kernel_width; kx++, to += g->words) {
      const uint8_t *from = u8_pixel(&g->w, corner, ky, kx, outside) + first_byte;
      if (g->inputs == g->words * 4 || g->w.row_bytes == g->words * 4) {
        for (int i = 0; i < g->words; i++) __builtin_memcpy(to + i, from + 4 * i, 4);
      } else {
        to[g->words - 1] = 0;
        for (int i = 0; i < g->inputs; i++) ((uint8_t *)to)[i] = from[i];
      }
    }
}

static void multiply_gathered(const conv_u8_igemm_forward_args *args, const u8_igemm *g, const u8_block *b, scratch s) {
  const int rows = b->end_row - b->first_row, depth = g->w.kernel_height * g->w.kernel_width * g->words;
  const long made_rows = ceil_div(rows, MICRO_ROWS) * MICRO_ROWS;
  const uint8_t *outside = u8_outside(&s, g->w.row_bytes, args->x_zero);
  int32_t *inputs = scratch_take(&s, made_rows * depth * 4);
  int32_t *sums = scratch_take(&s, made_rows * PANEL * 4);
  for (int r = 0; r < rows; r++) gather_position(g, b->first_row + r, b->group * g->inputs, outside, inputs + (long)r * depth);
  for (long k = (long)rows * depth; k < made_rows * depth; k++) inputs[k] = 0; // rows that fill up a micro-tile
  for (int p = b->first_panel; p < b->end_panel; p++) {
    const u8_panel panel = panel_of(g, b->group, p);
    quad_rows(inputs, depth, rows, panel_weights(args, g, b->group, p), g->panel_words, depth, panel.columns, sums);
    for (int r = 0; r < rows; r++) u8_store(&g->output, &panel, sums + r * PANEL, b->first_row + r);
  }
}

static void multiply_taps(const conv_u8_igemm_forward_args *args, const u8_igemm *g, const u8_block *b, scratch s) {
  const int tiles = ceil_div(b->end_row - b->first_row, MICRO_ROWS), taps = g->w.kernel_height * g->w.kernel_width;
  const uint8_t *outside = u8_outside(&s, g->w.row_bytes, args->x_zero);
  micro_tap *table = scratch_take(&s, (long)tiles * taps * (long)sizeof(micro_tap));
  for (int t = 0; t < tiles; t++)
    u8_tile_taps(&g->w, b->first_row + t * MICRO_ROWS, b->end_row, b->group * g->inputs, outside, g->words * PANEL, table + t * taps);
  int32_t sums[MICRO_SIZE];
  for (int p = b->first_panel; p < b->end_panel; p++) {
    const u8_panel panel = panel_of(g, b->group, p);
    for (int t = 0; t < tiles; t++) {
      const int first = b->first_row + t * MICRO_ROWS, rows = min_int(MICRO_ROWS, b->end_row - first);
      word_taps(table + t * taps, taps, rows, panel_weights(args, g, b->group, p), g->words, panel.columns,
                ahead_of(g->panel_words, g->words, t, tiles, 0), sums);
      for (int r = 0; r < rows; r++) u8_store(&g->output, &panel, sums + r * PANEL, first + r);
    }
  }
}

void conv_u8_igemm_forward_task(const conv_u8_igemm_forward_args *args, int task, int thread) {
  const u8_igemm g = igemm_of(args);
  const u8_block b = block_of(args, &g, task);
  (args->gather ? multiply_gathered : multiply_taps)(args, &g, &b, scratch_of(thread));
}

int conv_u8_igemm_pack_tasks(const conv_u8_igemm_pack_args *args) {
  return args->groups * ceil_div(args->out_channels / args->groups, PANEL);
}

void conv_u8_igemm_pack_task(const conv_u8_igemm_pack_args *args, int task, int thread) {
  (void)thread;
  const int inputs = args->in_channels / args->groups, outputs = args->out_channels / args->groups;
  const int panels = ceil_div(outputs, PANEL), words = row_words_of(inputs);
  const int group = task / panels, first = task % panels * PANEL, columns = min_int(PANEL, outputs - first);
  const int8_t *from = (const int8_t *)U8(args->weight) + group * outputs + first;
  int32_t *to = I32(args->packed) + (long)task * args->taps * words * PANEL;
  for (int tap = 0; tap < args->taps; tap++, from += (long)inputs * args->out_channels)
    for (int word = 0; word < words; word++)
      for (int v = 0; v < MICRO_VECTORS; v++, to += LANES) {
        const int count = min_int(LANES, columns - v * LANES);
        vi packed = splat_word(0);
        for (int k = 0; k < 4 && word * 4 + k < inputs && count > 0; k++)
          packed |= (load_signed_bytes(from + (long)(word * 4 + k) * args->out_channels + v * LANES, count) & splat_word(255)) << (8 * k);
        store_words(to, packed);
      }
}
