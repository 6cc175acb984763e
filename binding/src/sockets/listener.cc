#include "sockets/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "sockets/unix_address.h"
#include "util/arguments.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// Connections that wait to be accepted. The kernel's limit is net.core.somaxconn.
constexpr int kBacklog = 128;

// For one turn of the event loop.
constexpr int kConnectionsInATurn = 16;

}  // namespace

Result Listener::Create(Napi::Env env, const std::string& path, std::string whole_path, Napi::Function function,
                        std::shared_ptr<Listener>& out) {
  const int fd = NewUnixSocket();
  if (fd < 0) {
    return fd;
  }
  out = std::make_shared<Listener>(function);
  out->fd_ = std::make_shared<FileDescriptor>(fd);
  const std::weak_ptr<Listener> weak = out;
  const Result result = LoopPoll::Create(
      env, fd,
      [weak](int /* events */) {
        if (const auto listener = weak.lock()) {
          listener->OnReady();
        }
      },
      out->poll_);
  return result < 0 ? result : out->Bind(path, std::move(whole_path));
}

Result Listener::Bind(const std::string& path, std::string whole_path) {
  sockaddr_un address{};
  const Result result = ToUnixAddress(path, address);
  if (result < 0) {
    return result;
  }
  if (::bind(fd_->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    return LastError();
  }
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    path_ = std::move(whole_path);
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
  return ::listen(fd_->get(), kBacklog) < 0 ? LastError() : 0;
}

void Listener::Accept(bool on) {
  accepting_ = on && !closed();
  if (!closed()) {
    poll_->Watch(accepting_ ? UV_READABLE : 0);
  }
  callback_.Keep(accepting_);
}

void Listener::OnReady() {
  for (int count = 0; count < kConnectionsInATurn && accepting_; ++count) {
    const Napi::HandleScope scope(env_);
    const int fd = ::accept4(fd_->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      callback_.Call({NewFile<MemoryFileKind>(env_, fd)});
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      const Result result = LastError();
      Accept(false);
      callback_.Call({Number(env_, result)});
    }
  }
}

void Listener::Close() {
  poll_.reset();
  fd_.reset();
  Accept(false);
  struct stat status{};
  if (!path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  path_.clear();
}

namespace {

// listenerOpen(path, absolutePath, function): handle | -errno
Napi::Value Open(const Napi::CallbackInfo& info) {
  Arguments args(info, "listenerOpen");
  const std::string path = args.String(0);
  std::string whole_path = args.String(1);
  const Napi::Function function = args.Function(2);
  if (!args.ok()) {
    return args.Refused();
  }
  std::shared_ptr<Listener> listener;
  const Result result = Listener::Create(info.Env(), path, std::move(whole_path), function, listener);
  return result < 0 ? Number(info.Env(), result)
                    : LoopCallback::KeepWith(NewHandle(info.Env(), std::move(listener)), function);
}

// listenerAccept(listener, on): 0 | -EBADF. Whether connections are accepted.
Napi::Value Accept(const Napi::CallbackInfo& info) {
  Arguments args(info, "listenerAccept");
  const bool on = args.Boolean(1);
  const auto listener = args.Handle<Listener>(0, "a listener");
  if (!args.ok()) {
    return args.Refused();
  }
  if (listener->closed()) {
    return Number(info.Env(), -EBADF);
  }
  listener->Accept(on);
  return Number(info.Env(), 0);
}

// listenerClose(listener): 0, also when it is closed already
Napi::Value CloseListener(const Napi::CallbackInfo& info) {
  Arguments args(info, "listenerClose");
  const auto listener = args.Handle<Listener>(0, "a listener");
  if (!args.ok()) {
    return args.Refused();
  }
  listener->Close();
  return Number(info.Env(), 0);
}

}  // namespace

void ExportListener(Napi::Env env, Napi::Object exports) {
  exports.Set("listenerOpen", Napi::Function::New<Open>(env, "listenerOpen"));
  exports.Set("listenerAccept", Napi::Function::New<Accept>(env, "listenerAccept"));
  exports.Set("listenerClose", Napi::Function::New<CloseListener>(env, "listenerClose"));
}

}  // namespace dma_streams
