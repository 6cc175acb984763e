#include "memory/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "util/open_file.h"

namespace dma_streams {

namespace {

using MemoryFile = OpenFile<MemoryFileKind>;

// memfdCreate(name, flags): handle | -errno
Napi::Value MemfdCreate(const Napi::CallbackInfo& info) {
  Arguments args(info, "memfdCreate");
  const std::string name = args.String(0);
  const auto flags = static_cast<unsigned int>(args.Int32(1));
  if (!args.ok()) {
    return args.Refused();
  }
  return NewFile<MemoryFileKind>(info.Env(), ::memfd_create(name.c_str(), flags | MFD_CLOEXEC));
}

// fileDuplicate(fd): handle | -errno
Napi::Value FileDuplicate(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileDuplicate");
  const int fd = args.Int32(0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::shared_ptr<FileDescriptor> copy;
  const Result result = FileDescriptor::Duplicate(fd, copy);
  return result < 0 ? Number(info.Env(), result) : NewHandle(info.Env(), std::make_shared<MemoryFile>(std::move(copy)));
}

// fileTruncate(handle, size): 0 | -errno
Napi::Value FileTruncate(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileTruncate");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  const uint64_t size = args.BigUint(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (size > INT64_MAX) {
    return Number(info.Env(), -EFBIG);
  }
  return Number(info.Env(), ::ftruncate(file->fd(), static_cast<off_t>(size)) == 0 ? 0 : LastError());
}

// fileSeal(handle, seals): 0 | -errno
Napi::Value FileSeal(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileSeal");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  const int seals = args.Int32(1);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), ::fcntl(file->fd(), F_ADD_SEALS, seals) == 0 ? 0 : LastError());
}

// fileReserve(handle, size): 0 | -errno
//
// Maps a file of huge pages once and unmaps it again. The mapping reserves its pages, and of a shared file the
// reservation stays with the file: what cannot be had is known now, rather than by a SIGBUS at the first touch.
Napi::Value FileReserve(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileReserve");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  const uint64_t size = args.BigUint(1);
  if (!args.ok()) {
    return args.Refused();
  }
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd(), 0);
  if (address == MAP_FAILED) {
    return Number(info.Env(), LastError());
  }
  ::munmap(address, size);
  return Number(info.Env(), 0);
}

// How much is allocated with one call. A signal makes the kernel undo a call, which is then repeated.
constexpr uint64_t kAllocateStep = uint64_t{16} << 20;

Result Allocate(int fd, uint64_t offset, uint64_t length) {
  for (uint64_t done = 0; done < length;) {
    const uint64_t step = std::min(kAllocateStep, length - done);
    if (::fallocate(fd, 0, static_cast<off_t>(offset + done), static_cast<off_t>(step)) == 0) {
      done += step;
    } else if (errno != EINTR) {
      return LastError();
    }
  }
  return 0;
}

// Allocates on a thread of the pool. The descriptor stays open until it is done.
class AllocateWorker : public Napi::AsyncWorker {
 public:
  AllocateWorker(Napi::Env env, std::shared_ptr<FileDescriptor> file, uint64_t offset, uint64_t length)
      : Napi::AsyncWorker(env, "dma-streams allocate"),
        deferred_(Napi::Promise::Deferred::New(env)),
        file_(std::move(file)),
        offset_(offset),
        length_(length) {}

  Napi::Promise Promise() const {
    return deferred_.Promise();
  }

 protected:
  void Execute() override {
    result_ = Allocate(file_->get(), offset_, length_);
  }
  void OnOK() override {
    deferred_.Resolve(Number(Env(), result_));
  }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<FileDescriptor> file_;
  const uint64_t offset_;
  const uint64_t length_;
  Result result_ = 0;
};

// fileAllocate(handle, offset, length, later): 0 | -errno, or when it is to be done later, a promise of that
Napi::Value FileAllocate(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileAllocate");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  const uint64_t offset = args.BigUint(1);
  const uint64_t length = args.BigUint(2);
  const bool later = args.Boolean(3);
  if (!args.ok()) {
    return args.Refused();
  }
  if (file->fd() < 0) {
    return Number(info.Env(), -EBADF);
  }
  // Otherwise the kernel would make the file longer.
  struct stat status{};
  if (::fstat(file->fd(), &status) != 0) {
    return Number(info.Env(), LastError());
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  if (offset > size || length > size - offset) {
    return Number(info.Env(), -EFBIG);
  }
  if (!later) {
    return Number(info.Env(), Allocate(file->fd(), offset, length));
  }
  auto* worker = new AllocateWorker(info.Env(), file->shared(), offset, length);
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

// fileStatus(handle): { size, mode, allocated } | -errno
Napi::Value FileStatus(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileStatus");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const int fd = file->fd();
  if (fd < 0) {
    return Number(info.Env(), -EBADF);
  }
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return Number(info.Env(), LastError());
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("size", Napi::BigInt::New(info.Env(), static_cast<int64_t>(status.st_size)));
  result.Set("allocated", Napi::BigInt::New(info.Env(), static_cast<int64_t>(status.st_blocks) * 512));
  result.Set("mode", Napi::Number::New(info.Env(), status.st_mode));
  return result;
}

}  // namespace

void ExportMemfd(Napi::Env env, Napi::Object exports) {
  exports.Set("memfdCreate", Napi::Function::New<MemfdCreate>(env, "memfdCreate"));
  exports.Set("fileDuplicate", Napi::Function::New<FileDuplicate>(env, "fileDuplicate"));
  exports.Set("fileTruncate", Napi::Function::New<FileTruncate>(env, "fileTruncate"));
  exports.Set("fileSeal", Napi::Function::New<FileSeal>(env, "fileSeal"));
  exports.Set("fileReserve", Napi::Function::New<FileReserve>(env, "fileReserve"));
  exports.Set("fileAllocate", Napi::Function::New<FileAllocate>(env, "fileAllocate"));
  exports.Set("fileFd", Napi::Function::New<FileNumber<MemoryFileKind>>(env, "fileFd"));
  exports.Set("fileStatus", Napi::Function::New<FileStatus>(env, "fileStatus"));
  exports.Set("fileClose", Napi::Function::New<CloseFile<MemoryFileKind>>(env, "fileClose"));
}

}  // namespace dma_streams
