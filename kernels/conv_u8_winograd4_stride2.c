// conv_u8_winograd4_stride2_forward and conv_u8_winograd4_stride2_pack.
#define WINOGRAD 4
#define WINOGRAD_STRIDE 2
#define WINOGRAD_KIND 4_stride2
#include "conv_u8_winograd.h"
