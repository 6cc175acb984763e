#include "sockets/descriptor_socket.h"

#include <algorithm>
#include <utility>

#include "util/open_file.h"

namespace dma_streams {

namespace {

enum Kind : uint8_t { kMessages = 0, kEnd = 1, kTaken = 2, kSendFailed = 3 };

// Of a message, before its descriptors: its length, their number, whether they were taken.
constexpr size_t kCells = 3;

}  // namespace

DescriptorSocket::DescriptorSocket(const std::shared_ptr<FileDescriptor>& fd, const MessageFraming& framing,
                                   Napi::Function function)
    : env_(function.Env()), fd_(fd), reader_(framing), callback_(function, "dma-streams socket") {}

Result DescriptorSocket::Create(Napi::Env env, const std::shared_ptr<FileDescriptor>& fd, const MessageFraming& framing,
                                Napi::Function function, std::shared_ptr<DescriptorSocket>& out) {
  out = std::make_shared<DescriptorSocket>(fd, framing, function);
  const std::weak_ptr<DescriptorSocket> weak = out;
  return LoopPoll::Create(
      env, fd->get(),
      [weak](int events) {
        if (const auto socket = weak.lock()) {
          socket->OnReady(events);
        }
      },
      out->poll_);
}

bool DescriptorSocket::Read(bool on) {
  reading_ = on;
  Update();
  return !closed() && (!arrived_.empty() || (reader_.ended() && !end_delivered_));
}

// What the peer has sent before it went away comes before the failure to send to it.
void DescriptorSocket::OnReady(int events) {
  const Napi::HandleScope scope(env_);
  if ((events & UV_READABLE) != 0 && reading_) {
    reader_.Read(fd_->get(), arrived_);
    Deliver();
  }
  if ((events & UV_WRITABLE) != 0) {
    Flush();
  }
}

void DescriptorSocket::Deliver() {
  if (delivering_) {
    return;
  }
  const auto kept = shared_from_this();
  if (reading_ && !arrived_.empty()) {
    DeliverMessages(env_);
  }
  if (reading_ && !closed() && arrived_.empty() && reader_.ended() && !end_delivered_) {
    DeliverEnd(env_);
  }
  Update();
}

void DescriptorSocket::DeliverMessages(Napi::Env env) {
  size_t bytes = 0;
  size_t count = 1;
  for (const Message& message : arrived_) {
    bytes += message.bytes.size();
    count += kCells + message.descriptors.size();
  }
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes);
  Napi::Int32Array cells = Napi::Int32Array::New(env, count);
  // A worker can be told to end at any time: then nothing can be made any more, and no exception is pending.
  if (env.IsExceptionPending() || buffer.IsEmpty() || cells.IsEmpty()) {
    return;
  }
  auto* to = static_cast<uint8_t*>(buffer.Data());
  int32_t* cell = cells.Data() + 1;
  for (const Message& message : arrived_) {
    to = std::ranges::copy(message.bytes, to).out;
    *cell++ = static_cast<int32_t>(message.bytes.size());
    *cell++ = static_cast<int32_t>(message.descriptors.size());
    *cell++ = 0;
    for (const auto& descriptor : message.descriptors) {
      *cell++ = descriptor->get();
    }
  }
  delivering_ = true;
  callback_.Call({Number(env, kMessages), buffer, cells}, [this, delivered = cells.Data()] {
    delivering_ = false;
    ForgetDelivered(delivered);
  });
}

void DescriptorSocket::ForgetDelivered(const int32_t* cells) {
  const int32_t* cell = cells + 1;
  for (int32_t delivered = cells[0]; delivered > 0 && !arrived_.empty(); --delivered) {
    const Message& message = arrived_.front();
    if (cell[2] != 0) {
      for (const auto& descriptor : message.descriptors) {
        descriptor->Release();
      }
    }
    cell += kCells + message.descriptors.size();
    arrived_.pop_front();
  }
  if (closed()) {
    arrived_.clear();
  }
}

// A peer that went away while something was sent to it has not ended in order, even if nothing more comes from it.
void DescriptorSocket::DeliverEnd(Napi::Env env) {
  end_delivered_ = true;
  const Result end = reader_.end() == 0 ? queue_.end() : reader_.end();
  callback_.Call({Number(env, kEnd), Number(env, end), Number(env, static_cast<int64_t>(reader_.refused_length()))});
}

Result DescriptorSocket::Send(std::vector<Outgoing>& messages) {
  const Result result = queue_.Send(fd_->get(), messages);
  Update();
  return result;
}

void DescriptorSocket::Flush() {
  if (closed() || queue_.empty()) {
    return;
  }
  const auto kept = shared_from_this();
  const Napi::HandleScope scope(env_);
  const uint64_t before = queue_.taken();
  const Result result = queue_.Flush(fd_->get());
  if (queue_.taken() != before || queue_.is_short()) {
    callback_.Call({Number(env_, kTaken), Number(env_, static_cast<int64_t>(queue_.taken())),
                    Napi::Boolean::New(env_, queue_.is_short())});
  }
  if (result < 0) {
    callback_.Call({Number(env_, kSendFailed), Number(env_, result)});
  }
  Update();
}

void DescriptorSocket::Update() {
  if (closed()) {
    return;
  }
  const bool reads = reading_ && !reader_.ended() && arrived_.empty();
  const bool writes = !queue_.empty() && !queue_.is_short();
  poll_->Watch((reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0));
  callback_.Keep(reads || !queue_.empty());
}

void DescriptorSocket::Close() {
  poll_.reset();
  fd_.reset();
  queue_.End(-EBADF);
  callback_.Keep(false);
  if (!delivering_) {
    arrived_.clear();
  }
}

}  // namespace dma_streams
