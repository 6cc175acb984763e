#include "iommu/dma_runners.h"

#include "iommu/dma_runner.h"

namespace dma_streams {

namespace {

// containerRunner(container): a function that runs rows
Napi::Value ContainerRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerRunner");
  const auto container = FileArgument<ContainerKind>(args, 0);
  return args.ok() ? NewRunner(info.Env(), [container] { return ContainerMapper(container->shared()); })
                   : args.Refused();
}

// ioasRunner(iommufd, ioas): a function that runs rows
Napi::Value IoasRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasRunner");
  const uint32_t ioas = args.Uint32(1);
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  return args.ok() ? NewRunner(info.Env(), [iommufd, ioas] { return IoasMapper(iommufd->shared(), ioas); })
                   : args.Refused();
}

// containerRowRunner(container): a function that runs a single row
Napi::Value ContainerRowRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerRowRunner");
  const auto container = FileArgument<ContainerKind>(args, 0);
  return args.ok() ? NewRowRunner(info.Env(), [container] { return ContainerMapper(container->shared()); })
                   : args.Refused();
}

// ioasRowRunner(iommufd, ioas): a function that runs a single row
Napi::Value IoasRowRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasRowRunner");
  const uint32_t ioas = args.Uint32(1);
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  return args.ok() ? NewRowRunner(info.Env(), [iommufd, ioas] { return IoasMapper(iommufd->shared(), ioas); })
                   : args.Refused();
}

}  // namespace

void ExportDmaRunners(Napi::Env env, Napi::Object exports) {
  exports.Set("containerRunner", Napi::Function::New<ContainerRunner>(env, "containerRunner"));
  exports.Set("ioasRunner", Napi::Function::New<IoasRunner>(env, "ioasRunner"));
  exports.Set("containerRowRunner", Napi::Function::New<ContainerRowRunner>(env, "containerRowRunner"));
  exports.Set("ioasRowRunner", Napi::Function::New<IoasRowRunner>(env, "ioasRowRunner"));
}

}  // namespace dma_streams
