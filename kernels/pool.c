#include "pool.h"
#include "sync.h"

// One for each thread, a cache line apart: the tasks dealt to it that nobody has taken yet, begin | end << 32.
typedef struct {
  uint64_t range;
  char apart[56];
} share;

struct pool_state {
  uint32_t threads;
  uint32_t areas;       // word index of the threads' scratch memories and stacks
  uint32_t caller_waits; // the caller may sleep (the main thread of a browser may not)

  // The call that runs. Written while no share holds a task; whoever has taken a task may read it.
  kernel_task *task;
  const void *args;
  uint32_t tasks;

  _Alignas(64) uint32_t generation; // counts calls; idle threads wait for it to change
  uint32_t sleepers;
  uint32_t stop;
  _Alignas(64) uint32_t done; // tasks of this call that are finished
  uint32_t caller_sleeps;
  uint32_t failed;
  _Alignas(64) share shares[POOL_MAX_THREADS];

  // Natively only.
  const kernel *kernels;
  char *memory;
};

#ifdef __wasm__
static const kernel kernels[] = KERNEL_TABLE;
static struct pool_state pool;
#else
_Thread_local char *memory_base;
static _Thread_local pool_state *entered;
#define pool (*entered)
#define kernels pool.kernels
#endif

#define AREA_WORDS ((POOL_SCRATCH_BYTES + POOL_STACK_BYTES) / 4)

// Prepares for `threads` threads whose scratch memory and stacks begin at `areas`; gives the word after them.
uint32_t pool_setup(uint32_t threads, uint32_t areas, uint32_t caller_waits) {
  pool.threads = threads < POOL_MAX_THREADS ? threads : POOL_MAX_THREADS;
  pool.areas = areas;
  pool.caller_waits = caller_waits;
  return areas + pool.threads * AREA_WORDS;
}

float *pool_scratch(int thread) { return F32(pool.areas + (uint32_t)thread * AREA_WORDS); }

#ifndef POOL_THREADS

// Runs `count` encoded calls: [kernel id, arguments …] each. 0 when all is well.
int pool_run(uint32_t program, uint32_t count) {
  const uint32_t *word = (const uint32_t *)I32(program);
  for (; count > 0; count--) {
    const kernel *k = &kernels[*word++];
    int tasks = k->tasks(word);
    for (int i = 0; i < tasks; i++) k->task(word, i, 0);
    word += k->words;
  }
  return 0;
}

#else

// Takes the next task of a share. A share is exchanged as a whole, so a thread that comes late can only get a task that
// is still due, whichever call it belongs to.
static int take(share *s, uint32_t *task) {
  uint64_t range = sync_load(&s->range);
  while ((uint32_t)range < (uint32_t)(range >> 32)) {
    if (sync_exchange_if(&s->range, &range, range + 1)) {
      *task = (uint32_t)range;
      return 1;
    }
  }
  return 0;
}

// Runs tasks until none is left to take: first the thread's own (the same ones from call to call, so that its cache
// stays of use), then what others have not come to.
static void work(int thread) {
  uint32_t finished = 0;
  for (uint32_t i = 0; i < pool.threads; i++) {
    share *s = &pool.shares[((uint32_t)thread + i) % pool.threads];
    for (uint32_t task; take(s, &task); finished++) pool.task(pool.args, (int)task, thread);
  }
  if (finished == 0) return;
  uint32_t tasks = pool.tasks; // the caller may go on as soon as `done` is complete
  if (sync_add(&pool.done, finished) + finished == tasks && sync_load(&pool.caller_sleeps)) sync_wake(&pool.done, 1);
}

static void wait_until_done(void) {
  for (int spins = 0;; spins++) {
    uint32_t done = sync_load(&pool.done);
    if (done == pool.tasks || sync_load(&pool.failed)) return;
    sync_pause();
    if (spins < SYNC_SPINS || !pool.caller_waits) continue;
    sync_store(&pool.caller_sleeps, 1);
    sync_wait(&pool.done, done);
    sync_store(&pool.caller_sleeps, 0);
  }
}

static void run_on_all(const kernel *k, const void *args, uint32_t tasks) {
  pool.task = k->task;
  pool.args = args;
  pool.tasks = tasks;
  sync_store(&pool.done, 0);
  for (uint32_t t = 0; t < pool.threads; t++) {
    uint64_t begin = (uint64_t)tasks * t / pool.threads, end = (uint64_t)tasks * (t + 1) / pool.threads;
    sync_store(&pool.shares[t].range, begin | end << 32);
  }
  sync_add(&pool.generation, 1);
  uint32_t sleepers = sync_load(&pool.sleepers);
  if (sleepers > 0) sync_wake(&pool.generation, tasks - 1 < sleepers ? tasks - 1 : sleepers);
  work(0);
  wait_until_done();
}

// Runs `count` encoded calls: [kernel id, arguments …] each. 0 when all is well, 1 when a thread has failed.
int pool_run(uint32_t program, uint32_t count) {
  const uint32_t *word = (const uint32_t *)I32(program);
  for (; count > 0; count--) {
    const kernel *k = &kernels[*word++];
    int tasks = k->tasks(word);
    if (tasks == 1 || pool.threads == 1) {
      for (int i = 0; i < tasks; i++) k->task(word, i, 0);
    } else if (tasks > 1) {
      run_on_all(k, word, (uint32_t)tasks);
      if (sync_load(&pool.failed)) return 1;
    }
    word += k->words;
  }
  return 0;
}

// The life of every other thread: returns after pool_stop.
void pool_worker(int thread) {
  while (!sync_load(&pool.stop)) {
    uint32_t generation = sync_load(&pool.generation); // before looking for work: what is dealt later changes it
    work(thread);
    for (int spins = 0; sync_load(&pool.generation) == generation; spins++) {
      sync_pause();
      if (spins < SYNC_SPINS) continue;
      sync_add(&pool.sleepers, 1);
      sync_wait(&pool.generation, generation);
      sync_add(&pool.sleepers, -1);
    }
  }
}

void pool_stop(void) {
  sync_store(&pool.stop, 1);
  sync_add(&pool.generation, 1);
  sync_wake(&pool.generation, POOL_MAX_THREADS);
}

#ifdef __wasm__

// The stack of a thread other than the caller grows down from here: a byte address.
uint32_t pool_stack_top(int thread) { return (pool.areas + ((uint32_t)thread + 1) * AREA_WORDS) * 4; }

// A thread could not finish its task: releases the caller, who reports it.
void pool_fail(void) {
  sync_store(&pool.failed, 1);
  sync_add(&pool.done, 1u << 31); // so that a caller about to sleep on the old value does not
  sync_wake(&pool.done, 1);
}

#endif

#endif

#ifndef __wasm__

#include <stdlib.h>
#include <string.h>
#ifdef _WIN32 // has no aligned_alloc of C11
#include <malloc.h>
#define aligned_alloc(alignment, size) _aligned_malloc(size, alignment)
#define aligned_free _aligned_free
#else
#define aligned_free free
#endif

#undef kernels

pool_state *pool_create(const kernel *kernels, char *memory) {
  pool_state *state = aligned_alloc(_Alignof(pool_state), sizeof(pool_state));
  if (!state) return 0;
  memset(state, 0, sizeof *state);
  state->kernels = kernels;
  state->memory = memory;
  return state;
}

void pool_destroy(pool_state *state) { aligned_free(state); }

void pool_enter(pool_state *state) {
  entered = state;
  memory_base = state->memory;
}

#endif
