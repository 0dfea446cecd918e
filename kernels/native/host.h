// Node-API of the program that has loaded the addon.
//
// Linux and macOS find its functions by themselves. Windows would look for them in one named program, and Node may have been renamed,
// or be Bun, Deno or Electron: there they are asked for when the addon is loaded.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#define HOST_FUNCTIONS(X) \
  X(napi_create_array_with_length) \
  X(napi_create_double) \
  X(napi_create_external) \
  X(napi_create_external_arraybuffer) \
  X(napi_create_function) \
  X(napi_create_object) \
  X(napi_create_string_utf8) \
  X(napi_detach_arraybuffer) \
  X(napi_get_boolean) \
  X(napi_get_cb_info) \
  X(napi_get_value_double) \
  X(napi_get_value_external) \
  X(napi_get_value_uint32) \
  X(napi_set_element) \
  X(napi_set_named_property) \
  X(napi_throw_error) \
  X(napi_throw_range_error)

#define X(name) static __typeof__(&name) host_##name;
HOST_FUNCTIONS(X)
#undef X

// False where the program has no Node-API, or an older one.
static int host_found(void) {
  const HMODULE program = GetModuleHandleW(0);
#define X(name) \
  if (!(host_##name = (__typeof__(host_##name))(void (*)(void))GetProcAddress(program, #name))) return 0;
  HOST_FUNCTIONS(X)
#undef X
  return 1;
}

#define napi_create_array_with_length host_napi_create_array_with_length
#define napi_create_double host_napi_create_double
#define napi_create_external host_napi_create_external
#define napi_create_external_arraybuffer host_napi_create_external_arraybuffer
#define napi_create_function host_napi_create_function
#define napi_create_object host_napi_create_object
#define napi_create_string_utf8 host_napi_create_string_utf8
#define napi_detach_arraybuffer host_napi_detach_arraybuffer
#define napi_get_boolean host_napi_get_boolean
#define napi_get_cb_info host_napi_get_cb_info
#define napi_get_value_double host_napi_get_value_double
#define napi_get_value_external host_napi_get_value_external
#define napi_get_value_uint32 host_napi_get_value_uint32
#define napi_set_element host_napi_set_element
#define napi_set_named_property host_napi_set_named_property
#define napi_throw_error host_napi_throw_error
#define napi_throw_range_error host_napi_throw_range_error

#else

static int host_found(void) { return 1; }

#endif
