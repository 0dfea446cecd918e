// The gradient of the input of a 3×3 convolution of stride 2 and pad 1: conv_winograd8_transposed2_forward and
// conv_winograd8_transposed2_pack. 81 products for 8×8 results, where 144 are wanted plainly (see winograd8_transposed2_data).
#define WINOGRAD 8
#define WINOGRAD_STRIDE 2
#define WINOGRAD_TRANSPOSED
#define WINOGRAD_KIND 8_transposed2
#include "conv_winograd_forward.h"
