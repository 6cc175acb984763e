#pragma once

#include <napi.h>

namespace dma_streams {

// The functions behind the class AddressSpace, but for those of address_space_rows.h.
void ExportAddressSpace(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
