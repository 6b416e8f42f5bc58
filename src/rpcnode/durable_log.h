// Appending to a file from coroutines: many wait for one fsync.
#pragma once

#include <memory>
#include <optional>

#include "keystore/append_file.h"
#include "net/task_group.h"
#include "net/timer.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxUnwritten = 4U << 20U;  // bytes that wait for the disk
inline constexpr seconds kDiskPatience{30};              // for one fsync
// How long what nobody waits for waits for more, and how much is enough: an fsync costs as much as a dozen calls.
inline constexpr milliseconds kGather{20};
inline constexpr std::size_t kGathered = 256U << 10U;

// Owns its file. One thread; the disk is waited for on another one.
class DurableLog {
 public:
  DurableLog(keystore::AppendFile file, net::TaskGroup& tasks);
  ~DurableLog();

  // Returns when `bytes` are on disk, in the order of the calls; what came together is synced together.
  // Errc::overloaded beyond kMaxUnwritten, Errc::expired after kDiskPatience (the bytes may still come to the disk), or
  // the file's own fault, after which every later call fails.
  net::Task<Result<void>> append(Bytes bytes);
  // Without waiting; on disk a little more than kGather later. A fault is seen by is_broken().
  Result<void> post(Bytes bytes);
  bool is_broken() const;
  // Bytes that wait to be written.
  std::size_t unwritten() const;
  // Whether nothing waits to be written.
  bool is_idle() const;
  // With what waits to be written.
  std::uint64_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
