#include <napi.h>

#include "address_space.h"
#include "open_file.h"

namespace dma_streams {

namespace {

// Called once for each thread that loads the addon. There is no state outside of handles, so the threads share nothing.
Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  OpenFile::Export(env, exports);
  AddressSpace::Export(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(dma_streams, Initialize)

}  // namespace dma_streams
