#pragma once

#include <napi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "iommu/dma_batch.h"
#include "iommu/dma_job.h"
#include "util/arguments.h"
#include "util/open_file.h"

namespace dma_streams {

// For rows that are run before the call from JavaScript returns.
template <typename Mapper>
constexpr Keep KeepFor() {
  return Mapper::kKeepsMemory ? Keep::kWithRequest : Keep::kNothing;
}

// Runs the rows in place, without a copy: no JavaScript can run in between.
template <typename Mapper>
size_t RunNow(const Mapper& mapper, std::span<double> rows, std::span<int32_t> results, bool stop_at_failure) {
  RowReader reader(KeepFor<Mapper>());
  size_t done = 0;
  for (bool goes_on = true; goes_on && done < rows.size() / kRowLength; ++done) {
    const auto row = rows.subspan(done * kRowLength).first<kRowLength>();
    DmaRequest request = reader.Read(row);
    const Result result = mapper.Run(request);
    if (Unmaps(request)) {
      row[2] = static_cast<double>(request.length);
    }
    if (done < results.size()) {
      results[done] = result;
    }
    goes_on = result == 0 || !stop_at_failure;
  }
  return done;
}

// A function that runs rows: (rows, results, count, stopAtFailure, later). The first `count` rows are run. It answers
// how many were; when they are to be run later, on another thread, a promise of that, or -errno when there can be no
// thread.
//
// It keeps the container or IOAS itself: looking a handle up takes longer than mapping a page.
template <typename MakeMapper>
Napi::Value NewRunner(Napi::Env env, const MakeMapper& make_mapper) {
  auto run = [make_mapper](const Napi::CallbackInfo& info) -> Napi::Value {
    Arguments args(info, "a runner");
    std::span<double> rows = args.Doubles(0);
    const std::span<int32_t> results = args.Int32s(1);
    const uint64_t count = args.Integer(2);
    const bool stop_at_failure = args.Boolean(3);
    const bool later = args.Boolean(4);
    if (!args.ok()) {
      return args.Refused();
    }
    rows = rows.first(std::min<uint64_t>(count, rows.size() / kRowLength) * kRowLength);
    auto mapper = make_mapper();
    if (!later) {
      return Number(info.Env(), static_cast<int64_t>(RunNow(mapper, rows, results, stop_at_failure)));
    }
    return StartDmaJob(info.Env(), std::make_unique<decltype(mapper)>(mapper),
                       DmaBatch(rows, decltype(mapper)::kKeepsMemory), stop_at_failure, info[0], info[1]);
  };
  return Napi::Function::New(env, run, "runner");
}

// A function that runs a single row: (kind, iova, length, source). It answers with -errno, or how many bytes were
// unmapped. Looking into arrays would double what the call takes (see
// `containerRowRunner` in binding/native.ts).
template <typename MakeMapper>
Napi::Value NewRowRunner(Napi::Env env, const MakeMapper& make_mapper) {
  auto run = [make_mapper](const Napi::CallbackInfo& info) -> Napi::Value {
    std::array<double, kRowLength> row{};
    for (size_t column = 0; column < kRowLength; ++column) {
      if (napi_get_value_double(info.Env(), info[column], &row[column]) != napi_ok) {
        Napi::TypeError::New(info.Env(), "a runner: argument " + std::to_string(column) + " is not a number")
            .ThrowAsJavaScriptException();
        return info.Env().Undefined();
      }
    }
    const auto mapper = make_mapper();
    DmaRequest request = RowReader(KeepFor<decltype(mapper)>()).Read(row);
    const Result result = mapper.Run(request);
    return Number(info.Env(), result < 0 ? result : Unmaps(request) ? static_cast<int64_t>(request.length) : 0);
  };
  return Napi::Function::New(env, run, "runner");
}

}  // namespace dma_streams
