#include "sockets/socket_functions.h"

#include <span>
#include <utility>
#include <vector>

#include "sockets/descriptor_socket.h"
#include "sockets/unix_address.h"
#include "util/arguments.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

std::shared_ptr<DescriptorSocket> SocketArgument(Arguments& args, size_t index) {
  return args.Handle<DescriptorSocket>(index, "a socket");
}

// socketConnect(path): handle of an open file | -errno; -EAGAIN when the peer has too many connections to accept
Napi::Value Connect(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketConnect");
  const std::string path = args.String(0);
  if (!args.ok()) {
    return args.Refused();
  }
  sockaddr_un address{};
  const Result result = ToUnixAddress(path, address);
  if (result < 0) {
    return Number(info.Env(), result);
  }
  const int fd = NewUnixSocket();
  if (fd < 0) {
    return Number(info.Env(), fd);
  }
  auto file = std::make_shared<OpenFile<MemoryFileKind>>(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    return Number(info.Env(), LastError());
  }
  return NewHandle(info.Env(), std::move(file));
}

bool IsPossible(const MessageFraming& framing) {
  return framing.header_bytes >= sizeof(uint32_t) && framing.length_at <= framing.header_bytes - sizeof(uint32_t) &&
         framing.max_bytes >= framing.header_bytes && framing.max_bytes <= kMostQueued;
}

// socketAdopt(file, headerBytes, lengthAt, countsHeader, maxBytes, function): handle | -errno. The file is closed.
Napi::Value Adopt(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketAdopt");
  const auto file = FileArgument<MemoryFileKind>(args, 0);
  MessageFraming framing;
  framing.header_bytes = args.Uint32(1);
  framing.length_at = args.Uint32(2);
  framing.counts_header = args.Boolean(3);
  framing.max_bytes = args.Uint32(4);
  const Napi::Function function = args.Function(5);
  if (!args.ok()) {
    return args.Refused();
  }
  if (!IsPossible(framing)) {
    return Number(info.Env(), -EINVAL);
  }
  if (file->fd() < 0) {
    return Number(info.Env(), -EBADF);
  }
  std::shared_ptr<DescriptorSocket> socket;
  const Result result = DescriptorSocket::Create(info.Env(), file->shared(), framing, function, socket);
  if (result < 0) {
    return Number(info.Env(), result);
  }
  file->Close();
  return LoopCallback::KeepWith(NewHandle(info.Env(), std::move(socket)), function);
}

// socketRead(socket, on): 1 when something is to be delivered, which socketDeliver does, otherwise 0 | -EBADF
Napi::Value Read(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketRead");
  const bool on = args.Boolean(1);
  const auto socket = SocketArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), socket->closed() ? -EBADF : static_cast<int>(socket->Read(on)));
}

// socketDeliver(socket): 0 | -EBADF. Calls the function of the socket with what is to be delivered.
Napi::Value Deliver(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketDeliver");
  const auto socket = SocketArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  if (socket->closed()) {
    return Number(info.Env(), -EBADF);
  }
  socket->Deliver();
  return Number(info.Env(), 0);
}

// The messages of socketSend, with duplicates of their descriptors: one for all that follow each other with the same
// number. `cells` is checked, whatever it says: -EINVAL.
Result ToMessages(std::span<const uint8_t> bytes, std::span<int32_t> cells, std::vector<Outgoing>& out) {
  size_t at = 0;
  size_t used = 0;
  int last = -1;
  std::shared_ptr<FileDescriptor> duplicate;
  while (at < cells.size()) {
    if (cells.size() - at < 2 || cells[at] <= 0 || static_cast<size_t>(cells[at]) > bytes.size() - used ||
        cells[at + 1] < 0 || static_cast<size_t>(cells[at + 1]) > std::min(kMostDescriptors, cells.size() - at - 2)) {
      return -EINVAL;
    }
    const auto length = static_cast<size_t>(cells[at]);
    const auto count = static_cast<size_t>(cells[at + 1]);
    Outgoing message{bytes.subspan(used, length), {}};
    for (size_t index = 0; index < count; ++index) {
      const int number = cells[at + 2 + index];
      const Result result = number == last ? 0 : FileDescriptor::Duplicate(number, duplicate);
      if (result < 0) {
        cells[0] = static_cast<int32_t>(out.size());
        cells[1] = static_cast<int32_t>(index);
        return result;
      }
      last = number;
      message.descriptors.push_back(duplicate);
    }
    out.push_back(std::move(message));
    used += length;
    at += 2 + count;
  }
  return used == bytes.size() ? 0 : -EINVAL;
}

// socketSend(socket, bytes, cells): 0 when the kernel has taken all, 1 when some are queued, 2 when some are queued and
// socketFlush has to be called later | -errno
//
// `cells`: for each message its length in `bytes`, the number of its descriptors, and these. When one of them cannot be
// duplicated (-EBADF, -EMFILE), nothing was sent, and cells[0] and cells[1] say which: of which message, and which one.
Napi::Value Send(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketSend");
  const std::span<uint8_t> bytes = args.Bytes(1);
  const std::span<int32_t> cells = args.Int32s(2);
  const auto socket = SocketArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  if (socket->closed()) {
    return Number(info.Env(), -ENOTCONN);
  }
  std::vector<Outgoing> messages;
  Result result = ToMessages(bytes, cells, messages);
  if (result == 0) {
    result = socket->Send(messages);
  }
  const MessageQueue& queue = socket->queue();
  return Number(info.Env(), result < 0 || queue.empty() ? result : queue.is_short() ? 2 : 1);
}

// socketFlush(socket): 0. Sends what is queued, when there was no room for it in the kernel.
Napi::Value Flush(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketFlush");
  const auto socket = SocketArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  socket->Flush();
  return Number(info.Env(), 0);
}

// socketQueued(socket): the number of bytes that are queued
Napi::Value Queued(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketQueued");
  const auto socket = SocketArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), static_cast<int64_t>(socket->queue().queued()));
}

// socketClose(socket): 0, also when it is closed already
Napi::Value Close(const Napi::CallbackInfo& info) {
  Arguments args(info, "socketClose");
  const auto socket = SocketArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  socket->Close();
  return Number(info.Env(), 0);
}

}  // namespace

void ExportSockets(Napi::Env env, Napi::Object exports) {
  exports.Set("socketConnect", Napi::Function::New<Connect>(env, "socketConnect"));
  exports.Set("socketAdopt", Napi::Function::New<Adopt>(env, "socketAdopt"));
  exports.Set("socketRead", Napi::Function::New<Read>(env, "socketRead"));
  exports.Set("socketDeliver", Napi::Function::New<Deliver>(env, "socketDeliver"));
  exports.Set("socketSend", Napi::Function::New<Send>(env, "socketSend"));
  exports.Set("socketFlush", Napi::Function::New<Flush>(env, "socketFlush"));
  exports.Set("socketQueued", Napi::Function::New<Queued>(env, "socketQueued"));
  exports.Set("socketClose", Napi::Function::New<Close>(env, "socketClose"));
}

}  // namespace dma_streams
