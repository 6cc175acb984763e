#pragma once

#include <napi.h>

#include <deque>
#include <memory>
#include <vector>

#include "sockets/loop_callback.h"
#include "sockets/loop_poll.h"
#include "sockets/message.h"
#include "sockets/message_queue.h"
#include "sockets/message_reader.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// A connected unix stream socket: messages with descriptors, to and from JavaScript.
//
// It calls one JavaScript function, whose first argument is a kind:
//   0, bytes, cells: messages that have arrived, one after the other in `bytes`, an ArrayBuffer. `cells`, an
//   Int32Array:
//      first how many messages the function has delivered, which it writes before each; then, for each message, its
//      length, the number of its descriptors, whether they were taken, which it writes, and the descriptors. Afterwards
//      those of delivered messages are closed, unless taken; the messages that were not delivered come again.
//   1, error, length: nothing more is to be read: what MessageReader::end says, and the length that it refused.
//   2, taken, short: the kernel has taken `taken` messages in all since the beginning. `short`: call Flush, later.
//   3, error: nothing more can be sent.
class DescriptorSocket : public std::enable_shared_from_this<DescriptorSocket> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a62000bULL};

  static Result Create(Napi::Env env, const std::shared_ptr<FileDescriptor>& fd, const MessageFraming& framing,
                       Napi::Function function, std::shared_ptr<DescriptorSocket>& out);

  // For make_shared; use Create.
  DescriptorSocket(const std::shared_ptr<FileDescriptor>& fd, const MessageFraming& framing, Napi::Function function);

  // Whether messages are read. Returns whether some have arrived before, or the end has: then call Deliver.
  bool Read(bool on);
  void Deliver();

  // Sends messages, or queues them. See MessageQueue::Send.
  Result Send(std::vector<Outgoing>& messages);
  void Flush();

  // Closes the descriptor, and all descriptors of messages that were not delivered or not sent.
  void Close();

  bool closed() const {
    return fd_ == nullptr;
  }
  const MessageQueue& queue() const {
    return queue_;
  }

 private:
  void OnReady(int events);
  void DeliverMessages(Napi::Env env);
  void DeliverEnd(Napi::Env env);
  void ForgetDelivered(const int32_t* cells);
  void Update();

  const Napi::Env env_;
  // Null once closed.
  std::shared_ptr<FileDescriptor> fd_;
  MessageReader reader_;
  MessageQueue queue_;
  LoopCallback callback_;
  std::unique_ptr<LoopPoll> poll_;
  // Messages that were read, but not delivered.
  std::deque<Message> arrived_;
  bool reading_ = false;
  bool delivering_ = false;
  bool end_delivered_ = false;
};

}  // namespace dma_streams
