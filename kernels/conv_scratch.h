// Parts of a thread's scratch memory, handed out one after another in whole cache lines.
#pragma once
#include "pool.h"

typedef struct {
  char *next;
} scratch;

static inline scratch scratch_of(int thread) { return (scratch){(char *)pool_scratch(thread)}; }

static inline void *scratch_take(scratch *s, long bytes) {
  void *part = s->next;
  s->next += (bytes + 63) & ~63L;
  return part;
}

static inline float *scratch_floats(scratch *s, long count) { return scratch_take(s, count * (long)sizeof(float)); }

static inline float *scratch_zeros(scratch *s, long count) {
  float *part = scratch_floats(s, count);
  for (long i = 0; i < count; i++) part[i] = 0;
  return part;
}
