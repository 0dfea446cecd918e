// Weights of integer Winograd convolutions: [groups][panels]([9 taps][pairs of a group's inputs][PANEL][2] int8, then [PANEL] int32: the middle
// of the values that an output's sum of products can have). An input that there is not is 0, and so are columns beyond a group's.
#pragma once
#include "u8_micro.h"

// Pairs of a group's inputs: those of whole words of bytes, so that both layouts have the same channels.
static inline int pair_words_of(int inputs) { return row_words_of(inputs) * 2; }

// Words of a panel of so many pairs.
static inline long panel_words_of(int words) { return ((long)9 * words / 2 + 1) * PANEL; }
