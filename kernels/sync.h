// What the pool needs to wait and wake, the only part of it that depends on the platform.
#pragma once
#include <stdint.h>

// Looks at a word before a thread goes to sleep. About 30 µs: longer than most gaps between two kernels of a net, shorter
// than what a sleeping thread costs to wake twice.
#define SYNC_SPINS 20000

#if defined(__wasm__) && defined(POOL_THREADS)
// Sleeps while *word == expected.
static inline void sync_wait(uint32_t *word, uint32_t expected) {
  __builtin_wasm_memory_atomic_wait32((int *)word, (int)expected, -1);
}
static inline void sync_wake(uint32_t *word, uint32_t count) { __builtin_wasm_memory_atomic_notify((int *)word, count); }
#endif

#define sync_load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define sync_store(p, value) __atomic_store_n(p, value, __ATOMIC_SEQ_CST)
#define sync_add(p, value) __atomic_fetch_add(p, value, __ATOMIC_SEQ_CST)
#define sync_exchange_if(p, expected, value) \
  __atomic_compare_exchange_n(p, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
