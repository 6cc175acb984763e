// An addon with one function, copyOut(offset, length): a new Buffer with `length` bytes of the addon's memory from
// `offset` on, which is a bigint. It checks nothing but the types of its arguments.
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

// As much as a caller can ask for.
std::vector<char> memory(size_t{2} << 20, 1);

napi_value CopyOut(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  uint64_t offset = 0;
  uint32_t length = 0;
  bool exact = false;
  napi_value buffer = nullptr;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok ||
      napi_get_value_bigint_uint64(env, arguments[0], &offset, &exact) != napi_ok ||
      napi_get_value_uint32(env, arguments[1], &length) != napi_ok || offset > memory.size() ||
      length > memory.size() - offset ||
      napi_create_buffer_copy(env, length, memory.data() + offset, nullptr, &buffer) != napi_ok) {
    napi_throw_type_error(env, nullptr, "copyOut(offset, length)");
  }
  return buffer;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  napi_create_function(env, "copyOut", NAPI_AUTO_LENGTH, CopyOut, nullptr, &function);
  napi_set_named_property(env, exports, "copyOut", function);
  return exports;
}
