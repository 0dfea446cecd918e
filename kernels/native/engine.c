#include "engine.h"
#include "system.h"
#include <stdlib.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)64 << 10)

typedef struct {
  engine *engine;
  int number;
  system_thread thread;
} worker;

struct engine {
  pool_state *pool;
  void *mapping;
  size_t mapped;
  char *memory; // in the mapping, aligned to huge pages
  size_t bytes;
  size_t committed; // bytes from the beginning that exist
  uint32_t first_word;
  int references;
  int workers; // that run
  worker worker[POOL_MAX_THREADS];
};

// All that words of 32 bits can address, less a page so that the end is a word too; where so much address space cannot be
// had, half and so on. It costs nothing before it is used.
static int reserve(engine *e) {
  for (size_t bytes = ((size_t)4 << 32) - PAGE; bytes >= (size_t)256 << 20; bytes = bytes / 2 / PAGE * PAGE) {
    const size_t mapped = bytes + HUGE_PAGE;
    void *at = system_reserve(mapped);
    if (!at) continue;
    e->mapping = at;
    e->mapped = mapped;
    e->memory = (char *)(((uintptr_t)at + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    e->bytes = bytes;
    return 1;
  }
  return 0;
}

static void work(void *argument) {
  worker *w = argument;
  pool_enter(w->engine->pool);
  pool_worker(w->number);
}

static int start_workers(engine *e, int count) {
  for (int i = 0; i < count; i++) {
    worker *w = &e->worker[i];
    w->engine = e;
    w->number = i + 1;
    w->thread.run = work;
    w->thread.argument = w;
    if (!system_start(&w->thread)) return 0;
    e->workers++;
  }
  return 1;
}

engine *engine_create(const kernel_variant *variant, uint32_t threads, const char **reason) {
  engine *e = calloc(1, sizeof *e);
  *reason = "no memory";
  if (!e) return 0;
  e->references = 1;
  *reason = "no address space for kernel memory";
  if (!reserve(e) || !(e->pool = pool_create(variant->kernels, e->memory))) {
    engine_release(e);
    return 0;
  }
  pool_enter(e->pool);
  e->first_word = pool_setup(threads, 16, 1);
  *reason = "no memory for the threads";
  if (!engine_commit(e, (size_t)e->first_word * 4)) {
    engine_release(e);
    return 0;
  }
  *reason = "the system refuses to start a thread";
  if (!start_workers(e, (int)threads - 1)) {
    engine_release(e);
    return 0;
  }
  return e;
}

uint32_t engine_first_word(const engine *e) { return e->first_word; }
uint32_t engine_limit_word(const engine *e) { return (uint32_t)(e->bytes / 4); }
char *engine_memory(const engine *e) { return e->memory; }

int engine_commit(engine *e, size_t end) {
  if (end <= e->committed) return 1;
  if (end > e->bytes) return 0;
  const size_t whole = (end + PAGE - 1) / PAGE * PAGE; // at most e->bytes, a multiple of it too
  if (!system_commit(e->memory + e->committed, whole - e->committed)) return 0;
  e->committed = whole;
  return 1;
}

void engine_run(engine *e, uint32_t program, uint32_t count) {
  pool_enter(e->pool);
  pool_run(program, count);
}

void engine_stop(engine *e) {
  if (!e->pool) return;
  pool_enter(e->pool);
  pool_stop();
  for (int i = 0; i < e->workers; i++) system_join(&e->worker[i].thread);
  e->workers = 0;
  pool_destroy(e->pool);
  e->pool = 0;
  system_forget(e->memory, e->committed);
}

void engine_retain(engine *e) { e->references++; }

void engine_release(engine *e) {
  if (--e->references > 0) return;
  engine_stop(e);
  if (e->mapping) system_release(e->mapping, e->mapped);
  free(e);
}
