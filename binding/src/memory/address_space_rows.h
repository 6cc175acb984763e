#pragma once

#include <napi.h>

namespace dma_streams {

// Many ranges of an address space in one call from JavaScript: a row each, of doubles (a page number, a file offset
// that is a multiple of the page size, and a descriptor are exact as one), and a number for what became of it.
void ExportAddressSpaceRows(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
