#include "memory/address_space_rows.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "memory/address_space.h"
#include "memory/release_job.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

constexpr const char* kExpected = "an address space";
// First page, page after the last, file number * 2^32 + descriptor * 2 + (1 when writable), offset in the file.
constexpr size_t kMapRow = 4;
// First page, page after the last.
constexpr size_t kReleaseRow = 2;
constexpr double kPageLimit = 4503599627370496.0;       // 2^52
constexpr double kOffsetLimit = 9223372036854775808.0;  // 2^63: offsets are signed
constexpr double kSourceLimit = 9007199254740992.0;     // 2^53

// `limit` is at most 2^63. The conversion is one instruction; std::trunc is a call on processors without SSE4.1.
bool IsInteger(double number, double limit) {
  return number >= 0 && number < limit && static_cast<double>(static_cast<int64_t>(number)) == number;
}

// Empty when the row names none.
ByteRange RangeOf(std::span<const double> row) {
  if (!IsInteger(row[0], kPageLimit) || !IsInteger(row[1], kPageLimit) || row[0] >= row[1]) {
    return {};
  }
  return {static_cast<uint64_t>(row[0]) << kPageShift, static_cast<uint64_t>(row[1]) << kPageShift};
}

// What all of these functions take: (space, rows, results, count).
class RowsArguments {
 public:
  RowsArguments(const Napi::CallbackInfo& info, const char* function, size_t width) : width_(width) {
    Arguments args(info, function);
    space = args.Handle<AddressSpace>(0, kExpected);
    rows_ = args.Doubles(1);
    results = args.Int32s(2);
    const uint64_t wanted = args.Integer(3);
    refused_ = info.Env().Undefined();
    if (args.ok() && space->memory() == nullptr) {
      refused_ = Napi::Number::New(info.Env(), -EBADF);
    } else if (args.ok()) {
      ok_ = true;
      count = std::min<uint64_t>(wanted, std::min(rows_.size() / width, results.size()));
    }
  }

  // Whether the arguments are usable; if not, the function returns Refused().
  bool ok() const {
    return ok_;
  }
  Napi::Value Refused() const {
    return refused_;
  }
  std::span<double> Row(size_t row) const {
    return rows_.subspan(row * width_, width_);
  }

  std::shared_ptr<AddressSpace> space;
  std::span<int32_t> results;
  // How many rows are asked for, at most as many as the arrays hold.
  size_t count = 0;

 private:
  const size_t width_;
  std::span<double> rows_;
  bool ok_ = false;
  Napi::Value refused_;
};

// What a row asks for. The result is -EINVAL when it asks for nothing.
MapRequest RequestOf(std::span<const double> row) {
  MapRequest request;
  request.range = RangeOf(row);
  if (request.range.length() == 0 || !IsInteger(row[2], kSourceLimit) || !IsInteger(row[3], kOffsetLimit) ||
      static_cast<uint64_t>(row[3]) % kPageSize != 0) {
    request.result = -EINVAL;
    return request;
  }
  const auto source = static_cast<uint64_t>(row[2]);
  request.writable = source % 2 != 0;
  request.backing.fd = static_cast<int>((source / 2) & INT32_MAX);
  request.backing.file_number = source >> 32;
  request.backing.offset = static_cast<uint64_t>(row[3]);
  return request;
}

// addressSpaceMapRows(space, rows, results, count): 0 | -errno. Tries the first `count` rows, each independently of the
// others. The offset of a row that was mapped becomes its host address. Rows cannot map private memory.
Napi::Value MapRows(const Napi::CallbackInfo& info) {
  const RowsArguments args(info, "addressSpaceMapRows", kMapRow);
  if (!args.ok()) {
    return args.Refused();
  }
  std::vector<MapRequest> requests;
  std::vector<size_t> rows;
  requests.reserve(args.count);
  rows.reserve(args.count);
  for (size_t row = 0; row < args.count; ++row) {
    const MapRequest& request = requests.emplace_back(RequestOf(args.Row(row)));
    args.results[row] = request.result;
    if (request.result == 0) {
      rows.push_back(row);
    } else {
      requests.pop_back();
    }
  }
  args.space->memory()->Map(requests);
  for (size_t at = 0; at < requests.size(); ++at) {
    args.results[rows[at]] = requests[at].result;
    if (requests[at].result == 0) {
      args.Row(rows[at])[3] = static_cast<double>(requests[at].address);
    }
  }
  return Napi::Number::New(info.Env(), 0);
}

// Releases row after row. Neighbours are removed with one system call.
class RowReleaser {
 public:
  RowReleaser(Napi::Env env, AddressSpace& space, size_t rows) : env_(env), space_(space) {
    removals_.reserve(rows);
  }

  Result Begin(std::span<const double> row, size_t index) {
    const ByteRange range = RangeOf(row);
    return range.length() == 0 ? -EINVAL : space_.BeginRelease(env_, range, index, removals_);
  }

  // Removes the marked mappings, and writes failures to the results.
  void Finish(std::span<int32_t> results) {
    space_.memory()->Remove(removals_);
    space_.memory()->EndRemoval(removals_);
    for (const Removal& removal : removals_) {
      results[removal.row] = std::min(results[removal.row], removal.result);
    }
    removals_.clear();
  }

  bool has_begun() const {
    return !removals_.empty();
  }
  std::vector<Removal> TakeRemovals() {
    return std::move(removals_);
  }

 private:
  const Napi::Env env_;
  AddressSpace& space_;
  std::vector<Removal> removals_;
};

// addressSpaceReleaseRows(space, rows, results, count): 0 | -errno. As addressSpaceMapRows.
Napi::Value ReleaseRows(const Napi::CallbackInfo& info) {
  const RowsArguments args(info, "addressSpaceReleaseRows", kReleaseRow);
  if (!args.ok()) {
    return args.Refused();
  }
  RowReleaser releaser(info.Env(), *args.space, args.count);
  for (size_t row = 0; row < args.count; ++row) {
    Result& result = args.results[row];
    result = releaser.Begin(args.Row(row), row);
    if (result < 0 && releaser.has_begun()) {
      // It may overlap a row before it, which is then finished first.
      releaser.Finish(args.results);
      result = releaser.Begin(args.Row(row), row);
    }
  }
  releaser.Finish(args.results);
  return Napi::Number::New(info.Env(), 0);
}

// addressSpaceReleaseLater(space, rows, results, count): a promise of the results, as an Int32Array | -errno. It runs
// on another thread; until it is done, the memory can be neither reached nor mapped over. When the call returns,
// `results` says which rows are refused.
Napi::Value ReleaseLater(const Napi::CallbackInfo& info) {
  const RowsArguments args(info, "addressSpaceReleaseLater", kReleaseRow);
  if (!args.ok()) {
    return args.Refused();
  }
  RowReleaser releaser(info.Env(), *args.space, args.count);
  for (size_t row = 0; row < args.count; ++row) {
    args.results[row] = releaser.Begin(args.Row(row), row);
  }
  return StartReleaseJob(info.Env(), args.space->memory(), releaser.TakeRemovals(),
                         {args.results.begin(), args.results.begin() + static_cast<std::ptrdiff_t>(args.count)});
}

}  // namespace

void ExportAddressSpaceRows(Napi::Env env, Napi::Object exports) {
  exports.Set("addressSpaceMapRows", Napi::Function::New<MapRows>(env, "addressSpaceMapRows"));
  exports.Set("addressSpaceReleaseRows", Napi::Function::New<ReleaseRows>(env, "addressSpaceReleaseRows"));
  exports.Set("addressSpaceReleaseLater", Napi::Function::New<ReleaseLater>(env, "addressSpaceReleaseLater"));
}

}  // namespace dma_streams
