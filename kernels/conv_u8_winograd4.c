// conv_u8_winograd4_forward and conv_u8_winograd4_pack.
#define WINOGRAD 4
#define WINOGRAD_STRIDE 1
#define WINOGRAD_KIND 4
#include "conv_u8_winograd.h"
