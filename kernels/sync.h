// What the pool needs to wait and wake, the only part of it that depends on the platform.
#pragma once
#include <stdint.h>

// Looks at a word before a thread goes to sleep: about 30 µs in WebAssembly, longer than most gaps between two kernels of a net;
// about 0.25 ms natively, longer than what most callers do between two runs.
#ifdef __wasm__
#define SYNC_SPINS 20000
#else
#define SYNC_SPINS 12000
#endif

// sync_wait sleeps while *word == expected, and may return early; sync_wake ends the sleep of `count` threads.
#if defined(__wasm__) && defined(POOL_THREADS)
static inline void sync_wait(uint32_t *word, uint32_t expected) {
  __builtin_wasm_memory_atomic_wait32((int *)word, (int)expected, -1);
}
static inline void sync_wake(uint32_t *word, uint32_t count) { __builtin_wasm_memory_atomic_notify((int *)word, count); }
#elif !defined(__wasm__)
void sync_wait(uint32_t *word, uint32_t expected); // native/sync.c
void sync_wake(uint32_t *word, uint32_t count);
#endif

// Between two looks: lets the other thread of a core have its turn.
static inline void sync_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

#define sync_load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define sync_store(p, value) __atomic_store_n(p, value, __ATOMIC_SEQ_CST)
#define sync_add(p, value) __atomic_fetch_add(p, value, __ATOMIC_SEQ_CST)
#define sync_exchange_if(p, expected, value) \
  __atomic_compare_exchange_n(p, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
