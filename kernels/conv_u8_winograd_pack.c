#include "conv_u8_winograd_pack.h"
#include "pool.h"

int conv_u8_winograd_pack_tasks(const conv_u8_winograd_pack_args *a) { return a->groups * ceil_div(a->out_channels / a->groups, PANEL); }

void conv_u8_winograd_pack_task(const conv_u8_winograd_pack_args *a, int task, int thread) {
  (void)thread;
  const int inputs = a->in_channels / a->groups, outputs = a->out_channels / a->groups, words = pair_words_of(inputs);
  const int panels = ceil_div(outputs, PANEL), group = task / panels, first = task % panels * PANEL;
  const int columns = min_int(PANEL, outputs - first);
  const int8_t *from = (const int8_t *)U8(a->weight) + group * outputs + first;
  int32_t *panel = I32(a->packed) + task * panel_words_of(words), *middle = panel + panel_words_of(words) - PANEL;
  int8_t *to = (int8_t *)panel;
  int32_t least[PANEL] = {0}, largest[PANEL] = {0};
  for (int tap = 0; tap < 9; tap++, from += (long)inputs * a->out_channels)
    for (int i = 0; i < 2 * words; i += 2)
      for (int c = 0; c < PANEL; c++)
        for (int k = i; k < i + 2; k++) {
          const int weight = k < inputs && c < columns ? from[(long)k * a->out_channels + c] : 0;
          *(weight < 0 ? &least[c] : &largest[c]) += 255 * weight;
          *to++ = (int8_t)weight;
        }
  for (int c = 0; c < PANEL; c++) middle[c] = (least[c] + largest[c]) >> 1;
}
