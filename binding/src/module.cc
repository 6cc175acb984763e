#include <napi.h>

#include "iommu/dma_runners.h"
#include "iommu/iommufd.h"
#include "iommu/vfio_container.h"
#include "iommu/vfio_device.h"
#include "iommu/vfio_group.h"
#include "kvm/vcpu_functions.h"
#include "kvm/vm.h"
#include "memory/address_space_functions.h"
#include "memory/address_space_rows.h"
#include "memory/file_facts_functions.h"
#include "memory/memfd.h"
#include "sockets/event_fd.h"
#include "sockets/listener.h"
#include "sockets/socket_functions.h"

namespace dma_streams {

namespace {

// Called once for each thread that loads the addon. Handles belong to their thread. What there is beside them:
// - for the whole process, atomic: the next number of an address space (memory/address_space.cc), the memory areas in
//   use and their limit (memory/area_count.cc), how many threads of RunDetached there are (util/job_thread.cc);
// - for each thread: its address spaces by number, its views, the buffers that show the end of its environments
//   (util/environment_end.cc), and whether memory is charged strictly (memory/commit_policy.cc).
Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  ExportMemfd(env, exports);
  ExportFileFacts(env, exports);
  ExportAddressSpace(env, exports);
  ExportAddressSpaceRows(env, exports);
  ExportVfioContainer(env, exports);
  ExportVfioGroup(env, exports);
  ExportVfioDevice(env, exports);
  ExportIommufd(env, exports);
  ExportDmaRunners(env, exports);
  ExportKvm(env, exports);
  ExportKvmVm(env, exports);
  ExportKvmSlots(env, exports);
  ExportKvmVcpu(env, exports);
  ExportEventFd(env, exports);
  ExportSockets(env, exports);
  ExportListener(env, exports);
  // Not enumerable: everything else is a function.
  exports.DefineProperty(
      Napi::PropertyDescriptor::Value("version", Napi::String::New(env, DMA_STREAMS_VERSION), napi_default));
  return exports;
}

}  // namespace

// NOLINTNEXTLINE(misc-use-anonymous-namespace): the macro declares it.
NODE_API_MODULE(dma_streams, Initialize)

}  // namespace dma_streams
