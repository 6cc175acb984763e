#pragma once

#include <napi.h>

#include <algorithm>
#include <span>

namespace dma_streams {

// A typed array with these elements. It is empty, and must not be written to, when none can be made: then an exception
// is pending, or this is a worker that has been told to end, in which nothing can be made, and no exception can be
// thrown.
template <typename Element>
Napi::Value NewTypedArray(Napi::Env env, std::span<const Element> elements) {
  Napi::TypedArrayOf<Element> array = Napi::TypedArrayOf<Element>::New(env, elements.size());
  if (!array.IsEmpty()) {
    std::ranges::copy(elements, array.Data());
  }
  return array;
}

}  // namespace dma_streams
