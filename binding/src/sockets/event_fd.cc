#include "sockets/event_fd.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "sockets/loop_callback.h"
#include "sockets/loop_poll.h"
#include "util/arguments.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// Reads the counter of an eventfd whenever it is not 0, and calls a JavaScript function with what it was.
class EventFdWatch : public std::enable_shared_from_this<EventFdWatch> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a62000dULL};

  EventFdWatch(std::shared_ptr<FileDescriptor> fd, Napi::Function function)
      : env_(function.Env()), fd_(std::move(fd)), callback_(function, "dma-streams eventfd") {}

  Result Start() {
    const std::weak_ptr<EventFdWatch> weak = weak_from_this();
    const Result result = LoopPoll::Create(
        env_, fd_->get(),
        [weak](int /* events */) {
          if (const auto watch = weak.lock()) {
            watch->OnReady();
          }
        },
        poll_);
    if (result == 0) {
      poll_->Watch(UV_READABLE);
      callback_.Keep(true);
    }
    return result;
  }

  void Stop() {
    poll_.reset();
    fd_.reset();
    callback_.Keep(false);
  }

 private:
  void OnReady() {
    uint64_t count = 0;
    // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): it does not block, and what was locked is a weak_ptr.
    const ssize_t length = ::read(fd_->get(), &count, sizeof(count));
    // Another reader may have been faster.
    if (length == static_cast<ssize_t>(sizeof(count))) {
      const Napi::HandleScope scope(env_);
      callback_.Call({Napi::BigInt::New(env_, count)});
    }
  }

  const Napi::Env env_;
  std::shared_ptr<FileDescriptor> fd_;
  LoopCallback callback_;
  std::unique_ptr<LoopPoll> poll_;
};

// eventFdCreate(): handle of an open file | -errno
Napi::Value Create(const Napi::CallbackInfo& info) {
  return NewFile<MemoryFileKind>(info.Env(), ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

bool IsEventFd(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  std::array<char, 32> name{};
  const ssize_t length = ::readlink(link.c_str(), name.data(), name.size());
  return length > 0 && std::string_view(name.data(), static_cast<size_t>(length)) == "anon_inode:[eventfd]";
}

// eventFdFrom(fd): handle of an open file, a duplicate that does not block | -errno; -EINVAL when it is not an eventfd
Napi::Value From(const Napi::CallbackInfo& info) {
  Arguments args(info, "eventFdFrom");
  const int32_t fd = args.Int32(0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::shared_ptr<FileDescriptor> duplicate;
  const Result result = FileDescriptor::Duplicate(fd, duplicate);
  if (result < 0) {
    return Number(info.Env(), result);
  }
  if (!IsEventFd(duplicate->get())) {
    return Number(info.Env(), -EINVAL);
  }
  const int flags = ::fcntl(duplicate->get(), F_GETFL);
  if (flags < 0 || ::fcntl(duplicate->get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return Number(info.Env(), LastError());
  }
  return NewHandle(info.Env(), std::make_shared<OpenFile<MemoryFileKind>>(std::move(duplicate)));
}

// eventFdWatch(file, function): handle | -errno
Napi::Value Watch(const Napi::CallbackInfo& info) {
  Arguments args(info, "eventFdWatch");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  const Napi::Function function = args.Function(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (file->fd() < 0) {
    return Number(info.Env(), -EBADF);
  }
  if (!IsEventFd(file->fd())) {
    return Number(info.Env(), -EINVAL);
  }
  auto watch = std::make_shared<EventFdWatch>(file->shared(), function);
  const Result result = watch->Start();
  return result < 0 ? Number(info.Env(), result)
                    : LoopCallback::KeepWith(NewHandle(info.Env(), std::move(watch)), function);
}

// eventFdUnwatch(watch): 0, also when it has ended already
Napi::Value Unwatch(const Napi::CallbackInfo& info) {
  Arguments args(info, "eventFdUnwatch");
  const auto watch = args.Handle<EventFdWatch>(0, "a watch of an eventfd");
  if (!args.ok()) {
    return args.Refused();
  }
  watch->Stop();
  return Number(info.Env(), 0);
}

}  // namespace

void ExportEventFd(Napi::Env env, Napi::Object exports) {
  exports.Set("eventFdCreate", Napi::Function::New<Create>(env, "eventFdCreate"));
  exports.Set("eventFdFrom", Napi::Function::New<From>(env, "eventFdFrom"));
  exports.Set("eventFdWatch", Napi::Function::New<Watch>(env, "eventFdWatch"));
  exports.Set("eventFdUnwatch", Napi::Function::New<Unwatch>(env, "eventFdUnwatch"));
}

}  // namespace dma_streams
