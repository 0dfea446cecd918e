// Integer convolution as an implicit matrix product of bytes; see conv_igemm_forward.c, whose blocks and tables it has.
// Packed weights: [groups][panels][taps][words of a group][BYTE_STEPS][PANEL][BYTE_STEP]: a word is 4 inputs, 0 where the group has no more.
// Where bytes are not multiplied as they are, inputs are always gathered, and widened on the way.
#include "pool.h"
#include "u8_output.h"
#include "u8_window.h"

typedef struct {
  u8_window w;
  u8_output output;
  int inputs, outputs; // of one group
  int grouped;         // there are several
  int words;           // of a tap
  int panels, panel_words;
} u8_igemm;

static u8_igemm igemm_of(const conv_u8_igemm_forward_args *args) {
  u8_igemm g = {.w = U8_WINDOW_OF(args), .output = U8_OUTPUT_OF(args)};
  g.inputs = args->in_channels / args->groups;
  g.outputs = args->out_channels / args->groups;
  g.grouped = args->groups > 1;
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

// A group's inputs at one pixel, where they are not whole words of it.
NOINLINE static void gather_part(const uint8_t *from, int inputs, int32_t *to) {
  for (; inputs > 0; inputs -= 4, from += 4, to += BYTE_STEPS) {
    uint8_t word[4] = {0};
    for (int i = 0; i < min_int(inputs, 4); i++) word[i] = from[i];
    widen_bytes(word, 1, to);
  }
}

// One position's inputs of all taps, one after another: [taps][words · BYTE_STEPS].
NOINLINE static void gather_position(const u8_igemm *g, u8_corner corner, int first_byte, const uint8_t *outside, int32_t *to) {
  const int whole = !g->grouped || g->inputs % 4 == 0, width = g->w.kernel_width;
  for (int ky = 0; ky < g->w.kernel_height; ky++)
    for (int kx = 0; kx < width; kx++, to += g->words * BYTE_STEPS) {
      const uint8_t *from = u8_pixel(&g->w, corner, ky, kx, outside) + first_byte;
      if (whole) widen_bytes(from, g->words, to);
      else gather_part(from, g->inputs, to);
    }
}

// Of `count` positions side by side whose taps all lie inside and are pixels side by side in each line.
NOINLINE static void gather_lines(const u8_igemm *g, u8_corner corner, int count, int32_t *to) {
  const long line_bytes = (long)g->w.in_width * g->w.row_bytes * g->w.dilation_y;
  const int words = g->w.kernel_width * g->words, lines = g->w.kernel_height;
  const uint8_t *first = u8_pixel(&g->w, corner, 0, 0, 0);
  for (int i = 0; i < count; i++, first += (long)g->w.stride_x * g->w.row_bytes) {
    const uint8_t *line = first;
    for (int ky = 0; ky < lines; ky++, line += line_bytes, to += words * BYTE_STEPS) widen_bytes(line, words, to);
  }
}

// Of `count` positions side by side: [count][depth].
static void gather_run(const u8_igemm *g, int position, int count, int first_byte, const uint8_t *outside, int32_t *to, int depth) {
  u8_corner corner = u8_corner_of(&g->w, position);
  const int last_y = corner.y + (g->w.kernel_height - 1) * g->w.dilation_y;
  const int lines = !g->grouped && g->w.dilation_x == 1 && corner.y >= 0 && last_y < g->w.in_height;
  while (count > 0) {
    int inside = 0; // positions from here on
    const int room = g->w.in_width - g->w.kernel_width - corner.x;
    if (lines && corner.x >= 0 && room >= 0) inside = min_int(count, room / g->w.stride_x + 1);
    if (inside) gather_lines(g, corner, inside, to);
    else gather_position(g, corner, first_byte, outside, to), inside = 1;
    count -= inside, to += (long)inside * depth, corner.x += inside * g->w.stride_x;
  }
}

static void multiply_gathered(const conv_u8_igemm_forward_args *args, const u8_igemm *g, const u8_block *b, scratch s) {
  const int rows = b->end_row - b->first_row, depth = g->w.kernel_height * g->w.kernel_width * g->words * BYTE_STEPS;
  const long made_rows = ceil_div(rows, MICRO_ROWS) * MICRO_ROWS;
  const uint8_t *outside = u8_outside(&s, g->w.row_bytes, args->x_zero);
  int32_t *inputs = scratch_take(&s, made_rows * depth * 4);
  int32_t *sums = scratch_take(&s, made_rows * PANEL * 4);
  for (int r = 0, count; r < rows; r += count) {
    const int position = b->first_row + r;
    count = min_int(rows - r, g->w.out_width - position % g->w.out_width);
    gather_run(g, position, count, b->group * g->inputs, outside, inputs + (long)r * depth, depth);
  }
  for (long k = (long)rows * depth; k < made_rows * depth; k++) inputs[k] = 0; // rows that fill up a micro-tile
  for (int p = b->first_panel; p < b->end_panel; p++) {
    const u8_panel panel = panel_of(g, b->group, p);
    byte_rows(inputs, depth, rows, panel_weights(args, g, b->group, p), g->panel_words, depth, panel.columns, sums);
    u8_store(&g->output, &panel, sums, b->first_row, rows);
  }
}

#if BYTE_PRODUCTS
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
      u8_store(&g->output, &panel, sums, first, rows);
    }
  }
}

#endif

void conv_u8_igemm_forward_task(const conv_u8_igemm_forward_args *args, int task, int thread) {
  const u8_igemm g = igemm_of(args);
  const u8_block b = block_of(args, &g, task);
#if BYTE_PRODUCTS
  if (!args->gather) return multiply_taps(args, &g, &b, scratch_of(thread));
#endif
  multiply_gathered(args, &g, &b, scratch_of(thread));
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
  int8_t *to = (int8_t *)(I32(args->packed) + (long)task * args->taps * words * PANEL);
  for (int tap = 0; tap < args->taps; tap++, from += (long)inputs * args->out_channels)
    for (int i = 0; i < words * 4; i += BYTE_STEP)
      for (int c = 0; c < PANEL; c++)
        for (int k = i; k < i + BYTE_STEP; k++) *to++ = k < inputs && c < columns ? from[(long)k * args->out_channels + c] : 0;
}
