#include "system.h"

// Kernels take up to POOL_STACK_BYTES of it (pool.h); musl would give a thread half of that.
#define STACK_BYTES ((size_t)1 << 20)

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void *system_reserve(size_t bytes) { return VirtualAlloc(0, bytes, MEM_RESERVE, PAGE_READWRITE); }

int system_commit(char *at, size_t bytes) { return VirtualAlloc(at, bytes, MEM_COMMIT, PAGE_READWRITE) != 0; }

void system_forget(char *at, size_t bytes) { VirtualAlloc(at, bytes, MEM_RESET, PAGE_READWRITE); }

void system_release(void *at, size_t bytes) {
  (void)bytes;
  VirtualFree(at, 0, MEM_RELEASE);
}

static DWORD WINAPI begin(void *argument) {
  system_thread *thread = argument;
  thread->run(thread->argument);
  return 0;
}

int system_start(system_thread *thread) {
  thread->handle = CreateThread(0, STACK_BYTES, begin, thread, STACK_SIZE_PARAM_IS_A_RESERVATION, 0);
  return thread->handle != 0;
}

void system_join(system_thread *thread) {
  WaitForSingleObject(thread->handle, INFINITE);
  CloseHandle(thread->handle);
}

#else

#include <signal.h>
#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

void *system_reserve(size_t bytes) {
  void *at = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return 0;
#ifdef MADV_HUGEPAGE
  madvise(at, bytes, MADV_HUGEPAGE);
#endif
  return at;
}

// Pages come as they are written.
int system_commit(char *at, size_t bytes) {
  (void)at, (void)bytes;
  return 1;
}

void system_forget(char *at, size_t bytes) { madvise(at, bytes, MADV_DONTNEED); }

void system_release(void *at, size_t bytes) { munmap(at, bytes); }

static void *begin(void *argument) {
  system_thread *thread = argument;
  thread->run(thread->argument);
  return 0;
}

// Signals are the host's: its own threads receive them.
int system_start(system_thread *thread) {
  sigset_t all, before;
  pthread_attr_t attributes;
  sigfillset(&all);
  if (pthread_attr_init(&attributes)) return 0;
  int failed = pthread_attr_setstacksize(&attributes, STACK_BYTES) || pthread_sigmask(SIG_SETMASK, &all, &before);
  if (!failed) {
    failed = pthread_create(&thread->handle, &attributes, begin, thread);
    pthread_sigmask(SIG_SETMASK, &before, 0);
  }
  pthread_attr_destroy(&attributes);
  return !failed;
}

void system_join(system_thread *thread) { pthread_join(thread->handle, 0); }

#endif
