// The thread pool: runs encoded calls, each split into tasks that do not depend on each other.
//
// A kernel NAME implements
//   int NAME_tasks(const NAME_args *)                          how many tasks; of the arguments only, never of the threads
//   void NAME_task(const NAME_args *, int task, int thread)    one of them; `thread` only to find scratch memory
// so that results do not depend on the number of threads. A call of one task runs on the caller and wakes nobody.
#pragma once
#include "kernels.generated.h"
#include "memory.h"

typedef int kernel_tasks(const void *args);
typedef void kernel_task(const void *args, int task, int thread);

// A row of the kernel table; `words`: the arguments'.
typedef struct {
  kernel_tasks *tasks;
  kernel_task *task;
  uint32_t words;
} kernel;

// Elements for one task of an elementwise kernel: a few µs of work, far above what handing it over costs.
#define TASK_ELEMENTS 16384

// Scratch memory of a thread, 64-byte aligned; its contents do not outlive a task.
#define POOL_SCRATCH_BYTES (2u << 20)
#define POOL_SCRATCH_FLOATS ((int)(POOL_SCRATCH_BYTES / 4))
#define POOL_STACK_BYTES (256u << 10)
#define POOL_MAX_THREADS 64

float *pool_scratch(int thread);

uint32_t pool_setup(uint32_t threads, uint32_t areas, uint32_t caller_waits);
int pool_run(uint32_t program, uint32_t count);
void pool_worker(int thread);
void pool_stop(void);

#ifndef __wasm__
// Natively a process may have several pools, each with its own memory and kernels; all functions here mean the pool that
// the calling thread has entered last.
typedef struct pool_state pool_state;
pool_state *pool_create(const kernel *kernels, char *memory); // 0: no memory
void pool_destroy(pool_state *state);
void pool_enter(pool_state *state);
#endif
