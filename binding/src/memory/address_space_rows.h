#pragma once

#include <napi.h>

namespace dma_streams {

// The functions that map or release many ranges of an address space in one call from JavaScript. A row of doubles
// describes each range (page numbers, page-aligned file offsets and descriptors are exact as doubles); its result is a
// number.
void ExportAddressSpaceRows(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
