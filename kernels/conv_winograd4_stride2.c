// Stride 2 by its phases: conv_winograd4_stride2_forward and conv_winograd4_stride2_pack. 81 products for 4×4 outputs, where
// the plain convolution has 144 (see winograd4_stride2_data).
#define WINOGRAD 4
#define WINOGRAD_STRIDE 2
#define WINOGRAD_KIND 4_stride2
#include "conv_winograd_forward.h"
