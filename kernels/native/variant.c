#include "variant.h"
#include "../conv_micro.h"
#include "../u8_simd.h"

static const kernel kernels[] = KERNEL_TABLE;

const kernel_variant INTEGER_KERNEL_NAME(variant) = {VARIANT_NAME, LANES, PANEL, MICRO_ROWS, HALF_WEIGHTS, BYTE_PRODUCTS, kernels};
