#include "util/arguments.h"

#include <cmath>

namespace dma_streams {

namespace {

constexpr double kIntegerLimit = 9007199254740992.0;  // 2^53: above it a double skips integers
constexpr double kUint32Limit = 4294967296.0;         // 2^32
constexpr double kInt32Limit = 2147483648.0;          // 2^31
constexpr uint64_t kPageLimit = uint64_t{1} << 52;

}  // namespace

Arguments::Arguments(const Napi::CallbackInfo& info, const char* function) : info_(info), function_(function) {}

Napi::Value Arguments::Refused() const {
  return info_.Env().Undefined();
}

void Arguments::Refuse(size_t index, const char* expected) {
  if (!ok_) {
    return;
  }
  ok_ = false;
  if (!info_.Env().IsExceptionPending()) {
    const std::string message = std::string(function_) + ": argument " + std::to_string(index) + " is not " + expected;
    Napi::TypeError::New(info_.Env(), message).ThrowAsJavaScriptException();
  }
}

uint64_t Arguments::BigUint(size_t index) {
  const Napi::Value value = info_[index];
  uint64_t result = 0;
  bool lossless = false;
  if (!value.IsBigInt() || napi_get_value_bigint_uint64(info_.Env(), value, &result, &lossless) != napi_ok ||
      !lossless) {
    Refuse(index, "a bigint in [0, 2^64)");
    return 0;
  }
  return result;
}

double Arguments::WholeNumber(size_t index, double least, double limit, const char* expected) {
  double number = 0;
  if (napi_get_value_double(info_.Env(), info_[index], &number) != napi_ok || !(number >= least && number < limit) ||
      std::trunc(number) != number) {
    Refuse(index, expected);
    return 0;
  }
  return number;
}

uint64_t Arguments::Integer(size_t index) {
  return static_cast<uint64_t>(WholeNumber(index, 0, kIntegerLimit, "an integer in [0, 2^53)"));
}

uint32_t Arguments::Uint32(size_t index) {
  return static_cast<uint32_t>(WholeNumber(index, 0, kUint32Limit, "an integer in [0, 2^32)"));
}

int32_t Arguments::Int32(size_t index) {
  return static_cast<int32_t>(WholeNumber(index, -kInt32Limit, kInt32Limit, "an integer in [-2^31, 2^31)"));
}

bool Arguments::Boolean(size_t index) {
  bool result = false;
  if (napi_get_value_bool(info_.Env(), info_[index], &result) != napi_ok) {
    Refuse(index, "a boolean");
  }
  return result;
}

std::string Arguments::String(size_t index) {
  if (!info_[index].IsString()) {
    Refuse(index, "a string");
    return {};
  }
  return info_[index].As<Napi::String>().Utf8Value();
}

Napi::Function Arguments::Function(size_t index) {
  if (!info_[index].IsFunction()) {
    Refuse(index, "a function");
    return {};
  }
  return info_[index].As<Napi::Function>();
}

ByteRange Arguments::Pages(size_t index) {
  const uint64_t first = Integer(index);
  const uint64_t last = Integer(index + 1);
  if (ok_ && !(first < last && last < kPageLimit)) {
    Refuse(index + 1, "a page number above the first page, and below 2^52");
  }
  return ok_ ? ByteRange{first << kPageShift, last << kPageShift} : ByteRange{};
}

template <typename Item>
std::span<Item> Arguments::Items(size_t index, napi_typedarray_type wanted, const char* expected) {
  const Napi::Value value = info_[index];
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (!value.IsTypedArray() ||
      napi_get_typedarray_info(info_.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != wanted) {
    Refuse(index, expected);
    return {};
  }
  return data == nullptr ? std::span<Item>{} : std::span<Item>{static_cast<Item*>(data), length};
}

std::span<uint8_t> Arguments::Bytes(size_t index) {
  return Items<uint8_t>(index, napi_uint8_array, "a Uint8Array");
}

std::span<double> Arguments::Doubles(size_t index) {
  return Items<double>(index, napi_float64_array, "a Float64Array");
}

std::span<int32_t> Arguments::Int32s(size_t index) {
  return Items<int32_t>(index, napi_int32_array, "an Int32Array");
}

std::span<uint64_t> Arguments::BigUints(size_t index) {
  return Items<uint64_t>(index, napi_biguint64_array, "a BigUint64Array");
}

}  // namespace dma_streams
