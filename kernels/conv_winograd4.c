// Winograd F(4×4, 3×3): conv_winograd4_forward and conv_winograd4_pack.
#define WINOGRAD 4
#define WINOGRAD_STRIDE 1
#define WINOGRAD_KIND 4
#include "conv_winograd_forward.h"
