#include <napi.h>

#include "iommu/dma_batch.h"
#include "iommu/iommufd.h"
#include "iommu/vfio_container.h"
#include "iommu/vfio_device.h"
#include "iommu/vfio_group.h"
#include "memory/address_space.h"
#include "memory/address_space_rows.h"
#include "memory/memfd.h"

namespace dma_streams {

namespace {

// Called once for each thread that loads the addon. There is no state outside of handles, so the threads share nothing.
Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  ExportMemfd(env, exports);
  AddressSpace::Export(env, exports);
  ExportAddressSpaceRows(env, exports);
  ExportVfioContainer(env, exports);
  ExportVfioGroup(env, exports);
  ExportVfioDevice(env, exports);
  ExportIommufd(env, exports);
  ExportDmaBatch(env, exports);
  return exports;
}

}  // namespace

// NOLINTNEXTLINE(misc-use-anonymous-namespace): what the macro makes is its own affair.
NODE_API_MODULE(dma_streams, Initialize)

}  // namespace dma_streams
