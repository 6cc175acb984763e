#pragma once

#include <napi.h>
#include <pthread.h>

#include <memory>
#include <utility>
#include <vector>

#include "memory/reservation.h"

namespace dma_streams {

// A large release, on another thread: giving back a gigabyte of pages takes the kernel longer than an event loop may
// stand still.
//
// The pages go first, a few at a time, and only then the mapping itself. So the lock under which the kernel changes a
// process's mappings, and without which no thread can touch memory for the first time, is held for a short time.
//
// It owns the addresses: closing the address space meanwhile changes nothing for it. When the environment ends first,
// it waits for the job, and nobody is told.
class ReleaseJob {
 public:
  using Removals = std::vector<Reservation::Removal>;

  // A promise of the results of `rows` rows, as an Int32Array: those given, or of one whose mappings are among the
  // removals, that of these. Where there can be no thread, everything is done before this returns.
  static Napi::Value Start(Napi::Env env, std::shared_ptr<Reservation> reservation, Removals removals,
                           std::vector<Result> results);
  // Takes away what a closed address space still holds: what is large on another thread, and nobody is told.
  static void Run(Napi::Env env, std::shared_ptr<Reservation> reservation, Removals removals);

 private:
  ReleaseJob(std::shared_ptr<Reservation> reservation, Removals removals, std::vector<Result> results)
      : reservation_(std::move(reservation)), removals_(std::move(removals)), results_(std::move(results)) {}

  bool StartThread();
  static void* RunThread(void* job);
  void TakeAway();
  // Both on the thread of the environment: when everything is gone, and when the job's thread has let go.
  static void Complete(napi_env env, napi_value unused, void* job, void* data);
  static void End(napi_env env, void* job, void* hint);
  void Settle();
  void Tell(napi_env env) const;

  std::shared_ptr<Reservation> reservation_;
  Removals removals_;
  std::vector<Result> results_;
  bool settled_ = false;
  pthread_t thread_{};
  bool started_ = false;
  napi_threadsafe_function completion_ = nullptr;
  napi_deferred deferred_ = nullptr;
};

}  // namespace dma_streams
