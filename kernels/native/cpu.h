// Instruction sets beyond the least of an architecture, as bits.
#pragma once
#include <stdint.h>

enum {
  CPU_AVX2 = 1 << 0,
  CPU_FMA = 1 << 1,
  CPU_F16C = 1 << 2,
  CPU_BMI = 1 << 3,
  CPU_BMI2 = 1 << 4,
  CPU_AVX512F = 1 << 5,
  CPU_AVX512DQ = 1 << 6,
  CPU_AVX512BW = 1 << 7,
  CPU_AVX512VL = 1 << 8,
  CPU_AVX512VNNI = 1 << 9,
  CPU_AVXVNNI = 1 << 10,
};

// Those that the processor has and whose registers the system saves.
uint32_t cpu_features(void);
