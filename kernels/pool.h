// The thread pool: runs encoded calls, each split into tasks that do not depend on each other.
//
// A kernel NAME implements
//   int NAME_tasks(const NAME_args *)                          how many tasks; of the arguments only, never of the threads
//   void NAME_task(const NAME_args *, int task, int thread)    one of them; `thread` only to find scratch memory
// so that results do not depend on the number of threads. A call of one task runs on the caller and wakes nobody.
#pragma once
#include "kernels.generated.h"
#include "memory.h"

// Elements for one task of an elementwise kernel: a few µs of work, far above what handing it over costs.
#define TASK_ELEMENTS 16384

// Scratch memory of a thread, 64-byte aligned; its contents do not outlive a task.
#define POOL_SCRATCH_BYTES (2u << 20)
#define POOL_SCRATCH_FLOATS ((int)(POOL_SCRATCH_BYTES / 4))
#define POOL_STACK_BYTES (256u << 10)
#define POOL_MAX_THREADS 64

float *pool_scratch(int thread);
