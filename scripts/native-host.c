// A program with as much of Node-API as the addon asks for, to load it where there is no Node: with musl, and under its loader.
//   host ADDON FILL WORDS     FILL: the number of the kernel `fill`, WORDS: how many words a call of it has
// Runs `fill` on each instruction set that this processor has, on 3 threads, with pauses in which they fall asleep. Prints one line.
#define NAPI_VERSION 8
#include <dlfcn.h>
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct property {
  const char *name;
  struct napi_value__ *value;
} property;

struct napi_value__ {
  double number;
  const char *text;
  void *data;
  napi_callback function;
  struct napi_value__ *elements[8];
  property properties[16];
  int count;
};

struct napi_callback_info__ {
  napi_value *arguments;
};

static napi_value make(void) { return calloc(1, sizeof(struct napi_value__)); }

#define HOST(name, ...) __attribute__((visibility("default"))) napi_status NAPI_CDECL name(napi_env env, __VA_ARGS__)
#define GIVE(field, value) return (*result = make())->field = (value), (void)env, napi_ok

HOST(napi_create_object, napi_value *result) { GIVE(number, 0); }
HOST(napi_create_array_with_length, size_t length, napi_value *result) { GIVE(number, (double)length); }
HOST(napi_create_double, double value, napi_value *result) { GIVE(number, value); }
HOST(napi_get_boolean, bool value, napi_value *result) { GIVE(number, value); }
HOST(napi_create_string_utf8, const char *text, size_t length, napi_value *result) { (void)length; GIVE(text, text); }
HOST(napi_create_external, void *data, napi_finalize finalize, void *hint, napi_value *result) {
  (void)finalize, (void)hint;
  GIVE(data, data);
}
HOST(napi_create_external_arraybuffer, void *data, size_t length, napi_finalize finalize, void *hint, napi_value *result) {
  (void)length, (void)finalize, (void)hint;
  GIVE(data, data);
}
HOST(napi_create_function, const char *name, size_t length, napi_callback function, void *data, napi_value *result) {
  (void)name, (void)length, (void)data;
  GIVE(function, function);
}
HOST(napi_set_named_property, napi_value object, const char *name, napi_value value) {
  object->properties[object->count++] = (property){name, value};
  return (void)env, napi_ok;
}
HOST(napi_set_element, napi_value array, uint32_t index, napi_value value) {
  array->elements[index] = value;
  return (void)env, napi_ok;
}
HOST(napi_get_cb_info, napi_callback_info info, size_t *count, napi_value *arguments, napi_value *self, void **data) {
  (void)env, (void)self, (void)data;
  memcpy(arguments, info->arguments, *count * sizeof *arguments);
  return napi_ok;
}
HOST(napi_get_value_uint32, napi_value value, uint32_t *result) { return *result = (uint32_t)value->number, (void)env, napi_ok; }
HOST(napi_get_value_double, napi_value value, double *result) { return *result = value->number, (void)env, napi_ok; }
HOST(napi_get_value_external, napi_value value, void **result) { return *result = value->data, (void)env, napi_ok; }
HOST(napi_detach_arraybuffer, napi_value buffer) { return (void)env, (void)buffer, napi_ok; }

static void fail(const char *what, const char *why) {
  printf("%s: %s\n", what, why);
  exit(1);
}
HOST(napi_throw_error, const char *code, const char *message) {
  (void)env, (void)code;
  fail("thrown", message);
  return napi_ok;
}
HOST(napi_throw_range_error, const char *code, const char *message) { return napi_throw_error(env, code, message); }

static napi_value get(napi_value object, const char *name) {
  for (int i = 0; i < object->count; i++)
    if (strcmp(object->properties[i].name, name) == 0) return object->properties[i].value;
  fail("no property", name);
  return 0;
}

static napi_value number(double value) {
  napi_value result;
  napi_create_double(0, value, &result);
  return result;
}

static napi_value call(napi_value addon, const char *name, napi_value a, napi_value b, napi_value c) {
  napi_value arguments[] = {a, b, c};
  struct napi_callback_info__ info = {arguments};
  return get(addon, name)->function(0, &info);
}

// y[i] = value for all i < n, by as many runs of the threads.
static void run_fill(napi_value addon, int variant, uint32_t fill) {
  enum { N = 1000000, RUNS = 60 };
  napi_value engine = call(addon, "create", number(variant), number(3), 0), handle = get(engine, "handle");
  const uint32_t program = ((uint32_t)get(engine, "firstWord")->number + 15) / 16 * 16, y = program + 16;
  if (!call(addon, "commit", handle, number(y + N + 1.0), 0)->number) fail("commit", "no memory");
  if (call(addon, "commit", handle, number(get(engine, "limitWord")->number + 1), 0)->number) fail("commit", "beyond the end");
  uint32_t *words = call(addon, "window", handle, number(0), number(4.0 * (y + N + 1)))->data;
  words[y + N] = 77;
  for (int run = 0; run < RUNS; run++) {
    const float value = (float)run + 0.5f;
    const uint32_t encoded[] = {fill, y, N};
    memcpy(words + program, encoded, sizeof encoded);
    memcpy(words + program + 3, &value, sizeof value);
    call(addon, "run", handle, number(program), number(1));
    for (int i = 0; i < N; i++)
      if (memcmp(words + y + i, &value, sizeof value) != 0) fail("fill", "a wrong number");
    if (run % 10 == 0) usleep(20000);
  }
  if (words[y + N] != 77) fail("fill", "writes beyond the end");
  call(addon, "stop", handle, 0, 0);
}

int main(int count, char **arguments) {
  if (count != 4 || strcmp(arguments[3], "4") != 0) fail("usage", "host ADDON FILL WORDS, of 4 words: kernel, y, n, value");
  void *library = dlopen(arguments[1], RTLD_NOW);
  if (!library) fail("dlopen", dlerror());
  napi_value (*start)(napi_env, napi_value) = (napi_value(*)(napi_env, napi_value))dlsym(library, "napi_register_module_v1");
  if (!start) fail("dlsym", dlerror());
  napi_value addon = start(0, make()), variants = call(addon, "variants", 0, 0, 0);
  printf("%s:", get(addon, "fingerprint")->text);
  for (int i = 0; i < (int)variants->number; i++) {
    if (!get(variants->elements[i], "supported")->number) continue;
    run_fill(addon, i, (uint32_t)atoi(arguments[2]));
    printf(" %s", get(variants->elements[i], "name")->text);
  }
  printf("\n");
  return 0;
}
