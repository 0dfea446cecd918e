// The gradient of any convolution's weights: dw[tap][i][o] (+)= Σ_positions x[position under tap][i] · dy[position][o].
//
// The positions' chunks are cut in `parts` runs, each of which has a result of its own: dw is [parts][kernel][i][o], to be summed by
// sum_rows where there are several. How many there are is a matter of the geometry, so neither is it of the threads.
//
// A task makes, of one run, the part of the result that belongs to block_kernel_rows rows of the kernel, block_inputs inputs (a multiple
// of MICRO_ROWS) and block_panels panels of outputs of one group. It walks over all positions in chunks: packs the inputs of
// the chunk as [inputs / MICRO_ROWS][positions][MICRO_ROWS] and the output gradient as [panels][positions][PANEL], then
// multiplies them tap by tap. A tap's positions inside the image are a list of segments, so padding costs nothing.
// Sums are taken chunk by chunk in one fixed order: neither blocks nor threads show in the result.
#include "conv_micro.h"
#include "conv_range.h"
#include "conv_scratch.h"

typedef const conv_gemm_backward_weight_args arguments;

// Output positions of one chunk: images [n, n_end), output lines [line, line_end), and the input lines that they need.
typedef struct {
  int n, n_end, line, line_end, in_line, in_line_end;
} chunk;

// One task's part of the result.
typedef struct {
  int ky, ky_end;         // kernel rows
  int group, input, panel; // first input and panel within the group
  int inputs, outputs;     // how many
  int quads, panels;
  int part; // of the positions
} block;

static int group_inputs(arguments *a) { return a->in_channels / a->groups; }
static int group_outputs(arguments *a) { return a->out_channels / a->groups; }
static int kernel_blocks(arguments *a) { return ceil_div(a->kernel_height, a->block_kernel_rows); }
static int input_blocks(arguments *a) { return ceil_div(group_inputs(a), a->block_inputs); }
static int panel_blocks(arguments *a) { return ceil_div(ceil_div(group_outputs(a), PANEL), a->block_panels); }

int conv_gemm_backward_weight_tasks(arguments *a) {
  return a->parts * a->groups * kernel_blocks(a) * input_blocks(a) * panel_blocks(a);
}

static block block_of(arguments *a, int task) {
  block b;
  b.panel = task % panel_blocks(a) * a->block_panels;
  task /= panel_blocks(a);
  b.input = task % input_blocks(a) * a->block_inputs;
  task /= input_blocks(a);
  b.ky = task % kernel_blocks(a) * a->block_kernel_rows;
  task /= kernel_blocks(a);
  b.group = task % a->groups;
  b.part = task / a->groups;
  b.ky_end = min_int(b.ky + a->block_kernel_rows, a->kernel_height);
  b.inputs = min_int(a->block_inputs, group_inputs(a) - b.input);
  b.outputs = min_int(a->block_panels * PANEL, group_outputs(a) - b.panel * PANEL);
  b.quads = ceil_div(b.inputs, MICRO_ROWS);
  b.panels = ceil_div(b.outputs, PANEL);
  return b;
}

// `count` pixels → columns of `width` channels, [columns][·][width], `column_words` apart; channels beyond the last are 0.
INLINE void pack_columns(const float *from, long pixel_words, int count, int channels, int width, float *to, long column_words) {
  for (int i = 0; i < count; i++, from += pixel_words, to += width) {
    float *column = to;
    int c = 0;
    for (; c + width <= channels; c += width, column += column_words) __builtin_memcpy(column, from + c, sizeof(float) * width);
    if (c == channels) continue;
    for (int j = 0; j < width; j++) column[j] = c + j < channels ? from[c + j] : 0;
  }
}

NOINLINE static void pack_quads(const float *from, long pixel_words, int count, int channels, float *to, long column_words) {
  pack_columns(from, pixel_words, count, channels, MICRO_ROWS, to, column_words);
}

NOINLINE static void pack_panels(const float *from, long pixel_words, int count, int channels, float *to, long column_words) {
  pack_columns(from, pixel_words, count, channels, PANEL, to, column_words);
}

// Packed positions are [lines][width] of one image, or [lines][width][images] with batch_inner.
static void pack_inputs(arguments *a, const block *b, const chunk *c, float *to, long column_words) {
  const int channel = b->group * group_inputs(a) + b->input;
  const long image_words = (long)a->in_height * a->in_width * a->in_channels;
  const float *from = F32(a->x) + c->n * image_words + (long)c->in_line * a->in_width * a->in_channels + channel;
  const int pixels = (c->in_line_end - c->in_line) * a->in_width;
  if (!a->batch_inner) {
    pack_quads(from, a->in_channels, pixels, b->inputs, to, column_words);
    return;
  }
  const int images = c->n_end - c->n;
  for (int p = 0; p < pixels; p++)
    pack_quads(from + (long)p * a->in_channels, image_words, images, b->inputs, to + (long)p * images * MICRO_ROWS, column_words);
}

static void pack_gradients(arguments *a, const block *b, const chunk *c, float *to, long column_words) {
  const int channel = b->group * group_outputs(a) + b->panel * PANEL;
  const long image_words = (long)a->out_height * a->out_width * a->out_channels;
  const float *from = F32(a->dy) + c->n * image_words + (long)c->line * a->out_width * a->out_channels + channel;
  const int pixels = (c->line_end - c->line) * a->out_width;
  if (!a->batch_inner) {
    pack_panels(from, a->out_channels, pixels, b->outputs, to, column_words);
    return;
  }
  const int images = c->n_end - c->n;
  for (int p = 0; p < pixels; p++)
    pack_panels(from + (long)p * a->out_channels, image_words, images, b->outputs, to + (long)p * images * PANEL, column_words);
}

static int tap_segments(arguments *a, const chunk *c, int ky, int kx, micro_segment *segments) {
  const int dy = ky * a->dilation_y - a->pad_y, dx = kx * a->dilation_x - a->pad_x;
  int from_y, to_y, from_x, to_x, count = 0;
  inside_range(a->in_height, a->out_height, a->stride_y, dy, &from_y, &to_y);
  inside_range(a->in_width, a->out_width, a->stride_x, dx, &from_x, &to_x);
  if (from_x >= to_x) return 0;
  const int images = a->batch_inner ? c->n_end - c->n : 1;
  for (int y = from_y > c->line ? from_y : c->line; y < min_int(to_y, c->line_end); y++) {
    const int in_line = (y * a->stride_y + dy - c->in_line) * a->in_width + dx, line = (y - c->line) * a->out_width;
    if (!a->batch_inner) {
      segments[count++] = (micro_segment){(in_line + from_x * a->stride_x) * MICRO_ROWS, (line + from_x) * PANEL, to_x - from_x};
      continue;
    }
    for (int x = from_x; x < to_x; x++)
      segments[count++] = (micro_segment){(in_line + x * a->stride_x) * images * MICRO_ROWS, (line + x) * images * PANEL, images};
  }
  return count;
}

// One micro-tile's sums into rows of dw.
static void store_sums(const float *sums, int rows, int columns, int accumulate, float *to, int row_words) {
  for (int r = 0; r < rows; r++, sums += PANEL, to += row_words)
    for (int c = 0; c < columns; c += LANES) {
      const int count = min_int(columns - c, LANES);
      vf v = load(sums + c);
      if (accumulate) v += load_lanes(to + c, count);
      store_lanes(to + c, v, count);
    }
}

static void store_block(arguments *a, const block *b, const float *sums) {
  const long part_words = (long)a->kernel_height * a->kernel_width * group_inputs(a) * a->out_channels;
  for (int tap = b->ky * a->kernel_width; tap < b->ky_end * a->kernel_width; tap++)
    for (int i = 0; i < b->inputs; i += MICRO_ROWS) {
      float *to = F32(a->dw) + b->part * part_words + ((long)tap * group_inputs(a) + b->input + i) * a->out_channels +
                  b->group * group_outputs(a) + b->panel * PANEL;
      for (int p = 0; p < b->panels; p++, sums += MICRO_SIZE)
        store_sums(sums, min_int(MICRO_ROWS, b->inputs - i), min_int(PANEL, b->outputs - p * PANEL), a->accumulate,
                   to + p * PANEL, a->out_channels);
    }
}

void conv_gemm_backward_weight_task(arguments *a, int task, int thread) {
  const block b = block_of(a, task);
  const int step_n = a->batch_inner ? a->chunk : 1, step_y = a->batch_inner ? a->out_height : a->chunk;
  const int tap_sums = b.quads * b.panels * MICRO_SIZE;
  const int x_step = a->batch_inner ? MICRO_ROWS : MICRO_ROWS * a->stride_x;
  const int max_in_lines = min_int((step_y - 1) * a->stride_y + (b.ky_end - 1 - b.ky) * a->dilation_y + 1, a->in_height);
  // a cache line more than the positions need: columns at multiples of 4 KiB would fall on the same lines of L1
  const long x_words = (long)max_in_lines * a->in_width * step_n * MICRO_ROWS + 16;
  const long dy_words = (long)step_y * a->out_width * step_n * PANEL + 16;
  scratch s = scratch_of(thread);
  float *sums = scratch_zeros(&s, (long)(b.ky_end - b.ky) * a->kernel_width * tap_sums);
  micro_segment *segments = scratch_take(&s, (long)step_y * (a->batch_inner ? a->out_width : 1) * (long)sizeof(micro_segment));
  float *dy = scratch_floats(&s, dy_words * b.panels);
  float *x = scratch_floats(&s, x_words * b.quads);

  const int line_steps = ceil_div(a->out_height, step_y);
  const long steps = (long)ceil_div(a->batch, step_n) * line_steps;
  for (int step = steps * b.part / a->parts, end = steps * (b.part + 1) / a->parts; step < end; step++) {
    const int n = step / line_steps * step_n, line = step % line_steps * step_y;
    chunk c = {n, min_int(n + step_n, a->batch), line, min_int(line + step_y, a->out_height), 0, 0};
    const int top = c.line * a->stride_y + b.ky * a->dilation_y - a->pad_y;
    const int bottom = (c.line_end - 1) * a->stride_y + (b.ky_end - 1) * a->dilation_y - a->pad_y + 1;
    c.in_line = top < 0 ? 0 : top;
    c.in_line_end = min_int(bottom, a->in_height);
    if (c.in_line >= c.in_line_end) continue;
    pack_inputs(a, &b, &c, x, x_words);
    pack_gradients(a, &b, &c, dy, dy_words);
    float *tap = sums;
    for (int ky = b.ky; ky < b.ky_end; ky++)
      for (int kx = 0; kx < a->kernel_width; kx++, tap += tap_sums) {
        const int count = tap_segments(a, &c, ky, kx, segments);
        if (count == 0) continue;
        for (int i = 0; i < b.quads; i++)
          micro_columns(segments, count, x + i * x_words, x_step, dy, dy_words, b.outputs, tap + i * b.panels * MICRO_SIZE);
      }
  }
  store_block(a, &b, sums);
}
