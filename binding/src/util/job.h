#pragma once

#include <napi.h>

#include <memory>

#include "util/error.h"

namespace dma_streams {

// Work that takes long, done on a thread of its own, and a promise of its answer.
//
// A thread of its own, not one of libuv's pool: that has four, which the file system, DNS and cryptography of the whole
// process wait for too.
//
// The job owns all that it works on: closing that from JavaScript meanwhile changes nothing for it. When the
// environment ends first, the end waits for the work, Finish is still called, and the promise stays as it is.
class Job {
 public:
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  // Does the work, on the job's thread. It must not use Node-API.
  virtual void Work() = 0;
  // Gives up everything that the work needed. Called once, after Work, on the thread of the environment.
  virtual void Finish() = 0;
  // What the promise resolves to; null where Node-API refuses to make it. Called once, after Finish, unless the
  // environment has ended before.
  virtual napi_value Answer(napi_env env) = 0;

 protected:
  Job() = default;
};

// Starts the job's thread, takes the job over, and makes the promise. On failure it returns -errno, nothing was done,
// and the caller keeps the job.
Result StartJob(Napi::Env env, const char* name, std::unique_ptr<Job>& job, Napi::Value& promise);

// Does the job before it returns, for work that cannot be left undone when StartJob fails. A promise that is resolved.
Napi::Value RunJobNow(Napi::Env env, Job& job);

}  // namespace dma_streams
