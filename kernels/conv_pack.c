// HWIO weights → [groups][panels][taps][inputs of a group][PANEL], as conv_igemm_forward and Winograd (taps) read them.
// Tap (ky, kx) is the kernel's (first_y + ky·tap_step_y, first_x + kx·tap_step_x). transposed: inputs and outputs change places
// (the gradient of the input is a convolution with the transposed kernel).
#include "conv_micro.h"
#include "pool.h"

typedef struct {
  int inputs, outputs, panels; // of one group, as the packed weights see them
  int input_stride, output_stride;
} pack_sides;

static pack_sides sides_of(const conv_pack_args *args) {
  const int in = args->in_channels / args->groups, out = args->out_channels / args->groups;
  pack_sides s = {in, out, 0, args->out_channels, 1};
  if (args->transposed) s = (pack_sides){out, in, 0, 1, args->out_channels};
  s.panels = ceil_div(s.outputs, PANEL);
  return s;
}

int conv_pack_tasks(const conv_pack_args *args) { return args->groups * sides_of(args).panels; }

// `count` ≤ inputs of one tap and `columns` of its outputs, one by one; what a panel has beyond its columns is 0.
static void pack_each(const float *from, const pack_sides *s, int count, int columns, float *to) {
  for (int i = 0; i < count; i++, from += s->input_stride, to += PANEL) {
    for (int c = 0; c < columns; c++) to[c] = from[c * s->output_stride];
    for (int c = columns; c < PANEL; c++) to[c] = 0;
  }
}

static void pack_rows(const float *from, const pack_sides *s, float *to) {
  for (int i = 0; i < s->inputs; i++, from += s->input_stride, to += PANEL)
    for (int c = 0; c < PANEL; c += LANES) store(to + c, load(from + c));
}

#if LANES == 4
// A square of 4 columns, `stride` words apart, to 4 rows of a panel.
INLINE void transpose_square(const float *from, long stride, float *to) {
  const vf a = load(from), b = load(from + stride), c = load(from + 2 * stride), d = load(from + 3 * stride);
  const vf ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const vf AB = __builtin_shufflevector(a, b, 2, 6, 3, 7), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store(to, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
  store(to + PANEL, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
  store(to + 2 * PANEL, __builtin_shufflevector(AB, CD, 0, 1, 4, 5));
  store(to + 3 * PANEL, __builtin_shufflevector(AB, CD, 2, 3, 6, 7));
}

static void pack_transposed(const float *from, const pack_sides *s, float *to) {
  int i = 0;
  for (; i + LANES <= s->inputs; i += LANES)
    for (int c = 0; c < PANEL; c += LANES)
      transpose_square(from + i + (long)c * s->output_stride, s->output_stride, to + i * PANEL + c);
  pack_each(from + i, s, s->inputs - i, PANEL, to + i * PANEL);
}
#endif

static void pack_halves(const float *from, const pack_sides *s, int columns, half *to) {
  for (int i = 0; i < s->inputs; i++, from += s->input_stride, to += PANEL) {
    float row[PANEL];
    pack_each(from, s, 1, columns, row);
    for (int c = 0; c < PANEL; c += LANES) store_halves(to + c, load(row + c));
  }
}

static void pack_tap(const float *from, const pack_sides *s, int columns, float *to) {
  if (columns == PANEL && s->output_stride == 1) pack_rows(from, s, to);
#if LANES == 4
  else if (columns == PANEL && s->input_stride == 1) pack_transposed(from, s, to);
#endif
  else pack_each(from, s, s->inputs, columns, to);
}

void conv_pack_task(const conv_pack_args *args, int task, int thread) {
  (void)thread;
  const pack_sides s = sides_of(args);
  const int group = task / s.panels, first = task % s.panels * PANEL;
  const int columns = min_int(PANEL, s.outputs - first);
  const int tap_words = args->in_channels / args->groups * args->out_channels;
  const long tap_weights = (long)s.inputs * PANEL;
  long to = task * tap_weights * args->taps_y * args->taps_x;
  const float *from = F32(args->weight) + group * (args->out_channels / args->groups) + first * s.output_stride;
  for (int ky = 0; ky < args->taps_y; ky++)
    for (int kx = 0; kx < args->taps_x; kx++, to += tap_weights) {
      const int tap = (args->first_y + ky * args->tap_step_y) * args->kernel_width + args->first_x + kx * args->tap_step_x;
      const float *taps = from + (long)tap * tap_words;
      if (args->halves) pack_halves(taps, &s, columns, (half *)F32(args->packed) + to);
      else pack_tap(taps, &s, columns, F32(args->packed) + to);
    }
}
