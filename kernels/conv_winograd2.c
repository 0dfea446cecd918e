// Winograd F(2×2, 3×3): conv_winograd2_forward and conv_winograd2_pack.
#define WINOGRAD 2
#define WINOGRAD_STRIDE 1
#define WINOGRAD_KIND 2
#include "conv_winograd_forward.h"
