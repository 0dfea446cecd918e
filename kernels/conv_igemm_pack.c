// HWIO weights → [groups][panels][taps][inputs of a group][PANEL] for conv_igemm_forward.
// Tap (ky, kx) is the kernel's (first_y + ky·tap_step_y, first_x + kx·tap_step_x). transposed: inputs and outputs change places
// (the gradient of the input is a convolution with the transposed kernel).
#include "conv_micro.h"
#include "pool.h"

typedef struct {
  int inputs, outputs, panels; // of one group, as the packed weights see them
  int input_stride, output_stride;
} igemm_sides;

static igemm_sides sides_of(const conv_igemm_pack_args *args) {
  const int in = args->in_channels / args->groups, out = args->out_channels / args->groups;
  igemm_sides s = {in, out, 0, args->out_channels, 1};
  if (args->transposed) s = (igemm_sides){out, in, 0, 1, args->out_channels};
  s.panels = ceil_div(s.outputs, PANEL);
  return s;
}

int conv_igemm_pack_tasks(const conv_igemm_pack_args *args) { return args->groups * sides_of(args).panels; }

static void pack_tap(const float *from, const igemm_sides *s, int columns, float *to) {
  for (int i = 0; i < s->inputs; i++, from += s->input_stride, to += PANEL) {
    for (int c = 0; c < columns; c++) to[c] = from[c * s->output_stride];
    for (int c = columns; c < PANEL; c++) to[c] = 0;
  }
}

void conv_igemm_pack_task(const conv_igemm_pack_args *args, int task, int thread) {
  (void)thread;
  const igemm_sides s = sides_of(args);
  const int group = task / s.panels, first = task % s.panels * PANEL;
  const int columns = min_int(PANEL, s.outputs - first);
  const int tap_words = args->in_channels / args->groups * args->out_channels;
  float *to = F32(args->packed) + (long)task * args->taps_y * args->taps_x * s.inputs * PANEL;
  const float *from = F32(args->weight) + group * (args->out_channels / args->groups) + first * s.output_stride;
  for (int ky = 0; ky < args->taps_y; ky++)
    for (int kx = 0; kx < args->taps_x; kx++, to += s.inputs * PANEL) {
      const int tap = (args->first_y + ky * args->tap_step_y) * args->kernel_width + args->first_x + kx * args->tap_step_x;
      pack_tap(from + (long)tap * tap_words, &s, columns, to);
    }
}
