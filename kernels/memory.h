// Kernel memory: every address that crosses the border is the index of a 4-byte word. 0 is "none".
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
// Linear memory starts at 0, so a word's address is its index · 4: nothing to add.
static inline void *memory_at(uint32_t word) { return (void *)(uintptr_t)(word << 2); }
#else
// Of the thread that asks: each backend of a process has its own memory. Set before a thread runs any kernel (pool_enter).
extern _Thread_local char *memory_base;
static inline void *memory_at(uint32_t word) { return memory_base + ((size_t)word << 2); }
#endif

static inline float *F32(uint32_t word) { return (float *)memory_at(word); }
static inline int32_t *I32(uint32_t word) { return (int32_t *)memory_at(word); }
static inline uint8_t *U8(uint32_t word) { return (uint8_t *)memory_at(word); }
