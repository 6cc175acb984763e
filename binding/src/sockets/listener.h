#pragma once

#include <napi.h>
#include <sys/types.h>

#include <memory>
#include <string>

#include "sockets/loop_callback.h"
#include "sockets/loop_poll.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// A unix stream socket that listens at a path. It removes the path when it is closed, or collected, if the socket that
// it has made is still there.
//
// It calls one JavaScript function for each connection, with the handle of an open file, or with -errno when there can
// be none; after an error it accepts no more until it is told to again.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a62000cULL};

  // `whole_path`: the path, and the same as an absolute one, which may be longer than an address.
  static Result Create(Napi::Env env, const std::string& path, std::string whole_path, Napi::Function function,
                       std::shared_ptr<Listener>& out);

  // For make_shared; use Create.
  explicit Listener(Napi::Function function) : env_(function.Env()), callback_(function, "dma-streams listener") {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() {
    Close();
  }

  void Accept(bool on);
  void Close();

  bool closed() const {
    return fd_ == nullptr;
  }

 private:
  Result Bind(const std::string& path, std::string whole_path);
  void OnReady();

  const Napi::Env env_;
  LoopCallback callback_;
  std::shared_ptr<FileDescriptor> fd_;
  std::unique_ptr<LoopPoll> poll_;
  bool accepting_ = false;
  // Of the socket file. Empty when there is none.
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

void ExportListener(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
