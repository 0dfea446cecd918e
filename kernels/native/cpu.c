#include "cpu.h"

#ifdef __x86_64__

#include <cpuid.h>

// Intel's manual, volume 2 (CPUID) and volume 1, chapter 13 (XCR0): bits 1 and 2 are SSE and AVX registers, 5 to 7 those of AVX-512.
#define SAVES_AVX 0x06u
#define SAVES_AVX512 0xe6u

// Registers that the system saves; only where CPUID says that it can be asked.
static uint32_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Compilers have __builtin_cpu_supports for this, with a library behind it that not all of them bring for every system.
uint32_t cpu_features(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const uint32_t first = c;
  const uint32_t osxsave = 1u << 27, avx = 1u << 28;
  if ((first & (osxsave | avx)) != (osxsave | avx)) return 0;
  const uint32_t saved = saved_registers();
  if ((saved & SAVES_AVX) != SAVES_AVX) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  uint32_t more, unused;
  if (!__get_cpuid_count(7, 1, &more, &unused, &unused, &unused)) more = 0;
  uint32_t found = 0;
  if (first & 1u << 12) found |= CPU_FMA;
  if (first & 1u << 29) found |= CPU_F16C;
  if (b & 1u << 3) found |= CPU_BMI;
  if (b & 1u << 5) found |= CPU_AVX2;
  if (b & 1u << 8) found |= CPU_BMI2;
  if (more & 1u << 4) found |= CPU_AVXVNNI;
  if ((saved & SAVES_AVX512) != SAVES_AVX512) return found;
  if (b & 1u << 16) found |= CPU_AVX512F;
  if (b & 1u << 17) found |= CPU_AVX512DQ;
  if (b & 1u << 30) found |= CPU_AVX512BW;
  if (b & 1u << 31) found |= CPU_AVX512VL;
  if (c & 1u << 11) found |= CPU_AVX512VNNI;
  return found;
}

#else

uint32_t cpu_features(void) { return 0; }

#endif
