// A native backend: its memory, its pool and the pool's threads. One JavaScript thread owns it.
#pragma once
#include "variant.h"

typedef struct engine engine;

// 0 where address space or threads are missing; *reason then says which.
engine *engine_create(const kernel_variant *variant, uint32_t threads, const char **reason);

uint32_t engine_first_word(const engine *e);
uint32_t engine_limit_word(const engine *e); // word after the last that exists
char *engine_memory(const engine *e);

// Makes sure that the bytes before `end` exist; false where the system has no memory for them.
int engine_commit(engine *e, size_t end);

// Runs `count` calls that are encoded at the word `program`.
void engine_run(engine *e, uint32_t program, uint32_t count);

// Ends the threads and gives the memory's contents back to the system; idempotent.
void engine_stop(engine *e);

// Who looks at the memory keeps a reference; the last release stops the engine and unmaps its memory.
void engine_retain(engine *e);
void engine_release(engine *e);
