// The gradient of 3×3 weights of stride 2, by its phases: 81 products for what takes 144 plainly (see winograd4_stride2_gradient).
#define WINOGRAD 4
#define WINOGRAD_STRIDE 2
#define WINOGRAD_KIND 4_stride2
#include "conv_winograd_backward_weight.h"
