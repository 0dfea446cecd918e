// What the addon asks of the operating system: address space and threads (sync.c: to sleep and to wake).
#pragma once
#include <stddef.h>

#ifdef _WIN32
typedef void *system_handle;
#else
#include <pthread.h>
typedef pthread_t system_handle;
#endif

// Address space that costs nothing before it is used; 0 where there is not so much of it.
void *system_reserve(size_t bytes);

// Makes reserved memory usable, zeros at first; false where the system has none left. Multiples of 64 KiB.
int system_commit(char *at, size_t bytes);

// Gives the contents of committed memory back; whoever still reads it finds anything, but finds memory.
void system_forget(char *at, size_t bytes);

void system_release(void *at, size_t bytes);

// A thread that runs run(argument). The record stays where it is until the thread has been joined.
typedef struct {
  void (*run)(void *);
  void *argument;
  system_handle handle;
} system_thread;

// False where the system starts no more.
int system_start(system_thread *thread);
void system_join(system_thread *thread);
