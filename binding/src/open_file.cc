#include "open_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "util/arguments.h"

namespace dma_streams {

namespace {

Napi::Value Number(Napi::Env env, int value) {
  return Napi::Number::New(env, value);
}

// memfdCreate(name, flags): handle | -errno
Napi::Value MemfdCreate(const Napi::CallbackInfo& info) {
  Arguments args(info, "memfdCreate");
  const std::string name = args.String(0);
  const auto flags = static_cast<unsigned int>(args.Int32(1));
  if (!args.ok()) {
    return args.Refused();
  }
  const int fd = ::memfd_create(name.c_str(), flags | MFD_CLOEXEC);
  if (fd < 0) {
    return Number(info.Env(), LastError());
  }
  return NewHandle(info.Env(), std::make_shared<OpenFile>(std::make_shared<FileDescriptor>(fd)));
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
  if (result < 0) {
    return Number(info.Env(), result);
  }
  return NewHandle(info.Env(), std::make_shared<OpenFile>(std::move(copy)));
}

// fileTruncate(handle, size): 0 | -errno
Napi::Value FileTruncate(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileTruncate");
  const auto file = args.Handle<OpenFile>(0, "an open file");
  const uint64_t size = args.BigUint(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (file->fd() == nullptr) {
    return Number(info.Env(), -EBADF);
  }
  if (size > INT64_MAX) {
    return Number(info.Env(), -EFBIG);
  }
  return Number(info.Env(), ::ftruncate(file->fd()->get(), static_cast<off_t>(size)) == 0 ? 0 : LastError());
}

// fileSeal(handle, seals): 0 | -errno
Napi::Value FileSeal(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileSeal");
  const auto file = args.Handle<OpenFile>(0, "an open file");
  const int seals = args.Int32(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (file->fd() == nullptr) {
    return Number(info.Env(), -EBADF);
  }
  return Number(info.Env(), ::fcntl(file->fd()->get(), F_ADD_SEALS, seals) == 0 ? 0 : LastError());
}

// fileReserve(handle, size): 0 | -errno
//
// Maps a file of huge pages once and unmaps it again. The mapping reserves its pages, and of a shared file the
// reservation stays with the file: what cannot be had is known now, rather than by a SIGBUS at the first touch.
Napi::Value FileReserve(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileReserve");
  const auto file = args.Handle<OpenFile>(0, "an open file");
  const uint64_t size = args.BigUint(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (file->fd() == nullptr) {
    return Number(info.Env(), -EBADF);
  }
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd()->get(), 0);
  if (address == MAP_FAILED) {
    return Number(info.Env(), LastError());
  }
  ::munmap(address, size);
  return Number(info.Env(), 0);
}

// fileFd(handle): the descriptor's number | -EBADF
Napi::Value FileFd(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileFd");
  const auto file = args.Handle<OpenFile>(0, "an open file");
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), file->fd() == nullptr ? -EBADF : file->fd()->get());
}

// fileStatus(handle): { size, mode } | -errno
Napi::Value FileStatus(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileStatus");
  const auto file = args.Handle<OpenFile>(0, "an open file");
  if (!args.ok()) {
    return args.Refused();
  }
  if (file->fd() == nullptr) {
    return Number(info.Env(), -EBADF);
  }
  struct stat status{};
  if (::fstat(file->fd()->get(), &status) != 0) {
    return Number(info.Env(), LastError());
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("size", Napi::BigInt::New(info.Env(), static_cast<int64_t>(status.st_size)));
  result.Set("mode", Napi::Number::New(info.Env(), status.st_mode));
  return result;
}

// fileClose(handle): 0, also when it is closed already
Napi::Value FileClose(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileClose");
  const auto file = args.Handle<OpenFile>(0, "an open file");
  if (!args.ok()) {
    return args.Refused();
  }
  file->Close();
  return Number(info.Env(), 0);
}

}  // namespace

void OpenFile::Export(Napi::Env env, Napi::Object exports) {
  exports.Set("memfdCreate", Napi::Function::New<MemfdCreate>(env, "memfdCreate"));
  exports.Set("fileDuplicate", Napi::Function::New<FileDuplicate>(env, "fileDuplicate"));
  exports.Set("fileTruncate", Napi::Function::New<FileTruncate>(env, "fileTruncate"));
  exports.Set("fileSeal", Napi::Function::New<FileSeal>(env, "fileSeal"));
  exports.Set("fileReserve", Napi::Function::New<FileReserve>(env, "fileReserve"));
  exports.Set("fileFd", Napi::Function::New<FileFd>(env, "fileFd"));
  exports.Set("fileStatus", Napi::Function::New<FileStatus>(env, "fileStatus"));
  exports.Set("fileClose", Napi::Function::New<FileClose>(env, "fileClose"));
}

}  // namespace dma_streams
