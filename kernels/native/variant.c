#include "variant.h"
#include "../conv_micro.h"

static const kernel kernels[] = KERNEL_TABLE;

const kernel_variant KERNEL_NAME(variant) = {VARIANT_NAME, LANES, PANEL, MICRO_ROWS, HALF_WEIGHTS, kernels};
