// The kernels of one instruction set: each is compiled with names of its own (KERNEL_NAME) and all are linked together.
#pragma once
#include "../pool.h"

typedef struct {
  const char *name;
  int lanes, panel_columns, micro_rows, half_weights, byte_products;
  const kernel *kernels;
} kernel_variant;
