#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "util/arguments.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// The native object of a handle of an open file: a descriptor, until it is closed. `Kind` makes memfds, containers,
// groups, devices and iommufds different types, and its number gives their handles different type tags. Its names are
// those of functions, for error messages.
template <typename Kind>
class OpenFile {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a620000ULL + Kind::kNumber};

  explicit OpenFile(int fd) : fd_(std::make_shared<FileDescriptor>(fd)) {}
  explicit OpenFile(std::shared_ptr<FileDescriptor> fd) : fd_(std::move(fd)) {}

  // For jobs that go on when the file is closed meanwhile. Null once closed.
  const std::shared_ptr<FileDescriptor>& shared() const {
    return fd_;
  }
  // -1 once closed: the kernel answers that with EBADF.
  int fd() const {
    return fd_ == nullptr ? -1 : fd_->get();
  }
  void Close() {
    fd_.reset();
  }

 private:
  std::shared_ptr<FileDescriptor> fd_;
};

struct MemoryFileKind {
  static constexpr uint64_t kNumber = 1;
  static constexpr const char* kName = "an open file";
  static constexpr const char* kClose = "fileClose";
  static constexpr const char* kFd = "fileFd";
};
struct ContainerKind {
  static constexpr uint64_t kNumber = 3;
  static constexpr const char* kName = "a VFIO container";
  static constexpr const char* kClose = "vfioContainerClose";
};
struct GroupKind {
  static constexpr uint64_t kNumber = 4;
  static constexpr const char* kName = "a VFIO group";
  static constexpr const char* kClose = "vfioGroupClose";
};
struct DeviceKind {
  static constexpr uint64_t kNumber = 5;
  static constexpr const char* kName = "a VFIO device";
  static constexpr const char* kClose = "vfioDeviceClose";
  static constexpr const char* kFd = "vfioDeviceFd";
};
struct IommufdKind {
  static constexpr uint64_t kNumber = 6;
  static constexpr const char* kName = "an iommufd";
  static constexpr const char* kClose = "iommufdClose";
};

// The argument as an open file of that kind; null, and a TypeError pending, when it is not one.
template <typename Kind>
std::shared_ptr<OpenFile<Kind>> FileArgument(Arguments& args, size_t index) {
  return args.Handle<OpenFile<Kind>>(index, Kind::kName);
}

inline Napi::Value Number(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// A handle for what a system call opened, or its -errno.
template <typename Kind>
Napi::Value NewFile(Napi::Env env, int fd) {
  return fd < 0 ? Number(env, LastError()) : NewHandle(env, std::make_shared<OpenFile<Kind>>(fd));
}

// …Close(handle): 0, also when it is closed already
template <typename Kind>
Napi::Value CloseFile(const Napi::CallbackInfo& info) {
  Arguments args(info, Kind::kClose);
  const auto file = FileArgument<Kind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  file->Close();
  return Number(info.Env(), 0);
}

// …Fd(handle): the descriptor's number | -EBADF
template <typename Kind>
Napi::Value FileNumber(const Napi::CallbackInfo& info) {
  Arguments args(info, Kind::kFd);
  const auto file = FileArgument<Kind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), file->fd() < 0 ? -EBADF : file->fd());
}

}  // namespace dma_streams
