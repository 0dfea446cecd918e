#include "../sync.h"

#ifdef __linux__

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void sync_wait(uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, 0, 0, 0);
}

void sync_wake(uint32_t *word, uint32_t count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0); }

#else

// Elsewhere one place to sleep for all words: who wakes, wakes all, and each looks at its own word again.
#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static SRWLOCK mutex = SRWLOCK_INIT;
static CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;

static void lock(void) { AcquireSRWLockExclusive(&mutex); }
static void unlock(void) { ReleaseSRWLockExclusive(&mutex); }
static void sleep_unlocked(void) { SleepConditionVariableSRW(&changed, &mutex, INFINITE, 0); }
static void wake_all(void) { WakeAllConditionVariable(&changed); }

#else

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void lock(void) { pthread_mutex_lock(&mutex); }
static void unlock(void) { pthread_mutex_unlock(&mutex); }
static void sleep_unlocked(void) { pthread_cond_wait(&changed, &mutex); }
static void wake_all(void) { pthread_cond_broadcast(&changed); }

#endif

void sync_wait(uint32_t *word, uint32_t expected) {
  lock();
  if (sync_load(word) == expected) sleep_unlocked();
  unlock();
}

void sync_wake(uint32_t *word, uint32_t count) {
  (void)word, (void)count;
  lock();
  wake_all();
  unlock();
}

#endif
