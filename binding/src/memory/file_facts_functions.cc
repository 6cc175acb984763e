#include "memory/file_facts_functions.h"

#include <cerrno>

#include "memory/file_facts.h"
#include "util/arguments.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// fileFacts(fd): { regular, size, pageSize, writable, sealed } | -errno
Napi::Value FileFactsOf(const Napi::CallbackInfo& info) {
  Arguments args(info, "fileFacts");
  const int fd = args.Int32(0);
  if (!args.ok()) {
    return args.Refused();
  }
  FileFacts facts;
  Result result = fd < 0 ? -EBADF : FileFacts::Identify(fd, facts);
  // A device would be duplicated, and nothing more is asked about it.
  if (result == 0 && facts.is_regular) {
    result = facts.Complete();
  }
  if (result < 0) {
    return Number(info.Env(), result);
  }
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("regular", facts.is_regular);
  out.Set("size", Napi::BigInt::New(info.Env(), facts.bytes));
  out.Set("pageSize", Napi::BigInt::New(info.Env(), facts.unit));
  out.Set("writable", facts.can_write());
  out.Set("sealed", facts.sealed_against_writing());
  return out;
}

}  // namespace

void ExportFileFacts(Napi::Env env, Napi::Object exports) {
  exports.Set("fileFacts", Napi::Function::New<FileFactsOf>(env, "fileFacts"));
}

}  // namespace dma_streams
