#include "memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "open_file.h"

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

// fileStatus(handle): { size, mode } | -errno
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
  exports.Set("fileFd", Napi::Function::New<FileNumber<MemoryFileKind>>(env, "fileFd"));
  exports.Set("fileStatus", Napi::Function::New<FileStatus>(env, "fileStatus"));
  exports.Set("fileClose", Napi::Function::New<CloseFile<MemoryFileKind>>(env, "fileClose"));
}

}  // namespace dma_streams
