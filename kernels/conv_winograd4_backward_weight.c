// The gradient of 3×3 weights of stride 1 by F(3×3, 4×4): 36 products for what takes 144 plainly.
#define WINOGRAD 4
#define WINOGRAD_STRIDE 1
#define WINOGRAD_KIND 4
#include "conv_winograd_backward_weight.h"
