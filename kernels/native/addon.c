// What JavaScript sees of the native kernels (src/backend/native/addon.ts has the types).
#include "cpu.h"
#include "engine.h"
#include "fingerprint.generated.h"
#include "host.h"
#include "variants.generated.h"

#define X(symbol, needs) extern const kernel_variant symbol;
VARIANTS(X)
#undef X

// Evaluates a call into Node and leaves the function where it fails: an exception is then pending, or is made here.
#define TRY(call)                                                     \
  do {                                                                \
    if ((call) != napi_ok) {                                          \
      napi_throw_error(env, 0, "native kernels: " #call " failed");   \
      return 0;                                                       \
    }                                                                 \
  } while (0)

typedef struct {
  const kernel_variant *variant;
  int supported;
} candidate;

static int candidates(candidate *list) {
  int count = 0;
  const uint32_t has = cpu_features();
#define X(symbol, needs) list[count++] = (candidate){&symbol, (has & (needs)) == (needs)};
  VARIANTS(X)
#undef X
  return count;
}

static napi_status set_number(napi_env env, napi_value object, const char *name, double number) {
  napi_value value;
  const napi_status status = napi_create_double(env, number, &value);
  return status == napi_ok ? napi_set_named_property(env, object, name, value) : status;
}

// variants(): { name, lanes, panelColumns, microRows, readsHalves, multipliesBytes, supported }[], best first
static napi_value variants(napi_env env, napi_callback_info info) {
  (void)info;
  candidate list[VARIANT_COUNT];
  const int count = candidates(list);
  napi_value array;
  TRY(napi_create_array_with_length(env, (size_t)count, &array));
  for (int i = 0; i < count; i++) {
    const kernel_variant *v = list[i].variant;
    napi_value object, name, halves, bytes, supported;
    TRY(napi_create_object(env, &object));
    TRY(napi_create_string_utf8(env, v->name, NAPI_AUTO_LENGTH, &name));
    TRY(napi_set_named_property(env, object, "name", name));
    TRY(set_number(env, object, "lanes", v->lanes));
    TRY(set_number(env, object, "panelColumns", v->panel_columns));
    TRY(set_number(env, object, "microRows", v->micro_rows));
    TRY(napi_get_boolean(env, v->half_weights, &halves));
    TRY(napi_set_named_property(env, object, "readsHalves", halves));
    TRY(napi_get_boolean(env, v->byte_products, &bytes));
    TRY(napi_set_named_property(env, object, "multipliesBytes", bytes));
    TRY(napi_get_boolean(env, list[i].supported, &supported));
    TRY(napi_set_named_property(env, object, "supported", supported));
    TRY(napi_set_element(env, array, (uint32_t)i, object));
  }
  return array;
}

static void finalize(napi_env env, void *data, void *hint) {
  (void)env, (void)data;
  engine_release(hint);
}

// The handle is gone: no call can come any more, but views of the memory may live on.
static void finalize_handle(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  engine_stop(data);
  engine_release(data);
}

// create(variant, threads): { handle, firstWord, limitWord }
static napi_value create(napi_env env, napi_callback_info info) {
  napi_value arguments[2], object, handle;
  size_t count = 2;
  uint32_t variant, threads;
  TRY(napi_get_cb_info(env, info, &count, arguments, 0, 0));
  TRY(napi_get_value_uint32(env, arguments[0], &variant));
  TRY(napi_get_value_uint32(env, arguments[1], &threads));
  candidate list[VARIANT_COUNT];
  if ((int)variant >= candidates(list) || !list[variant].supported || threads < 1 || threads > POOL_MAX_THREADS) {
    napi_throw_range_error(env, 0, "native kernels: this processor cannot run this variant on so many threads");
    return 0;
  }
  const char *reason;
  engine *e = engine_create(list[variant].variant, threads, &reason);
  if (!e) {
    napi_throw_error(env, 0, reason);
    return 0;
  }
  if (napi_create_external(env, e, finalize_handle, 0, &handle) != napi_ok) {
    engine_release(e);
    napi_throw_error(env, 0, "native kernels: no handle");
    return 0;
  }
  TRY(napi_create_object(env, &object));
  TRY(napi_set_named_property(env, object, "handle", handle));
  TRY(set_number(env, object, "firstWord", engine_first_word(e)));
  TRY(set_number(env, object, "limitWord", engine_limit_word(e)));
  return object;
}

// window(handle, byteOffset, byteLength): an ArrayBuffer of that part of memory
static napi_value window(napi_env env, napi_callback_info info) {
  napi_value arguments[3], buffer;
  size_t count = 3;
  void *e;
  double offset, length;
  TRY(napi_get_cb_info(env, info, &count, arguments, 0, 0));
  TRY(napi_get_value_external(env, arguments[0], &e));
  TRY(napi_get_value_double(env, arguments[1], &offset));
  TRY(napi_get_value_double(env, arguments[2], &length));
  if (!(offset >= 0 && length >= 0 && offset + length <= 4.0 * engine_limit_word(e))) {
    napi_throw_range_error(env, 0, "native kernels: no such memory");
    return 0;
  }
  if (!engine_commit(e, (size_t)offset + (size_t)length)) {
    napi_throw_error(env, 0, "native kernels: the system has no memory left");
    return 0;
  }
  engine_retain(e);
  if (napi_create_external_arraybuffer(env, engine_memory(e) + (size_t)offset, (size_t)length, finalize, e, &buffer) != napi_ok) {
    engine_release(e);
    napi_throw_error(env, 0, "native kernels: this host allows no memory of an addon's own");
    return 0;
  }
  return buffer;
}

// commit(handle, endWord): whether all words before that one exist
static napi_value commit(napi_env env, napi_callback_info info) {
  napi_value arguments[2], done;
  size_t count = 2;
  void *e;
  double end;
  TRY(napi_get_cb_info(env, info, &count, arguments, 0, 0));
  TRY(napi_get_value_external(env, arguments[0], &e));
  TRY(napi_get_value_double(env, arguments[1], &end));
  TRY(napi_get_boolean(env, end >= 0 && end <= engine_limit_word(e) && engine_commit(e, (size_t)end * 4), &done));
  return done;
}

// detach(buffer): views of it have length 0 from now on
static napi_value detach(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  TRY(napi_get_cb_info(env, info, &count, &argument, 0, 0));
  TRY(napi_detach_arraybuffer(env, argument));
  return 0;
}

// run(handle, program, calls)
static napi_value run(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  void *e;
  uint32_t program, calls;
  TRY(napi_get_cb_info(env, info, &count, arguments, 0, 0));
  TRY(napi_get_value_external(env, arguments[0], &e));
  TRY(napi_get_value_uint32(env, arguments[1], &program));
  TRY(napi_get_value_uint32(env, arguments[2], &calls));
  engine_run(e, program, calls);
  return 0;
}

// stop(handle): ends the threads; nothing may run afterwards
static napi_value stop(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  void *e;
  TRY(napi_get_cb_info(env, info, &count, &argument, 0, 0));
  TRY(napi_get_value_external(env, argument, &e));
  engine_stop(e);
  return 0;
}

// Besides the functions `fingerprint`, of the sources that the addon was made from: who loads it compares it with its own.
NAPI_MODULE_INIT() {
  if (!host_found()) return exports;
  const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"variants", variants}, {"create", create}, {"window", window}, {"commit", commit}, {"detach", detach}, {"run", run}, {"stop", stop},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    TRY(napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, 0, &function));
    TRY(napi_set_named_property(env, exports, functions[i].name, function));
  }
  napi_value fingerprint;
  TRY(napi_create_string_utf8(env, KERNELS_FINGERPRINT, NAPI_AUTO_LENGTH, &fingerprint));
  TRY(napi_set_named_property(env, exports, "fingerprint", fingerprint));
  return exports;
}
