// conv_u8_winograd2_forward and conv_u8_winograd2_pack.
#define WINOGRAD 2
#define WINOGRAD_STRIDE 1
#define WINOGRAD_KIND 2
#include "conv_u8_winograd.h"
