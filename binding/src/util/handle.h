#pragma once

#include <napi.h>

#include <memory>
#include <new>
#include <utility>

namespace dma_streams {

// A JavaScript object that stands for a native one of class T. T::kTypeTag tells the classes apart, so an object that
// was not made here, or stands for an object of another class, is refused.
//
// The handle shares ownership of the native object: a job on another thread may keep it alive after the handle was
// collected. The handle's share ends when it is collected, or when its environment ends.
template <typename T>
Napi::Value NewHandle(Napi::Env env, std::shared_ptr<T> object) {
  Napi::Object handle = Napi::Object::New(env);
  auto* share = new std::shared_ptr<T>(std::move(object));
  auto drop = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); };
  if (napi_wrap(env, handle, share, drop, nullptr, nullptr) != napi_ok) {
    delete share;
    Napi::Error::New(env, "could not make a handle").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  if (napi_type_tag_object(env, handle, &T::kTypeTag) != napi_ok) {
    Napi::Error::New(env, "could not tag a handle").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return handle;
}

// The native object of a handle; null when `value` is not a handle of a T.
template <typename T>
std::shared_ptr<T> FromHandle(Napi::Value value) {
  if (!value.IsObject()) {
    return nullptr;
  }
  bool tagged = false;
  if (napi_check_object_type_tag(value.Env(), value, &T::kTypeTag, &tagged) != napi_ok || !tagged) {
    return nullptr;
  }
  void* share = nullptr;
  if (napi_unwrap(value.Env(), value, &share) != napi_ok || share == nullptr) {
    return nullptr;
  }
  return *static_cast<std::shared_ptr<T>*>(share);
}

}  // namespace dma_streams
