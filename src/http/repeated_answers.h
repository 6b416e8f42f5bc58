// Answers to requests that many send alike: the same bytes within a second get the same bytes back, without being read
// again.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace sallyport::http {

// How much older than a newly made answer a repeated one may be.
inline constexpr milliseconds kRepeatLife{1'000};
inline constexpr std::size_t kMaxRepeatedAnswers = 4'096;
inline constexpr std::size_t kMaxRepeatedRequest = 1'024;  // bytes of a head
inline constexpr std::size_t kMaxRepeatedResponse = 8'192;

// Not thread-safe. Holds at most kMaxRepeatedAnswers of these sizes. `clock` must outlive it.
class RepeatedAnswers {
 public:
  explicit RepeatedAnswers(const Clock& clock) : clock_(clock) {}

  // The response to exactly this head, as it went out; null when there is none that is young enough.
  std::shared_ptr<const Bytes> find(ByteView head);
  // Keeps a response that depends on nothing but the head, and is kept alive after. Too large or too many: it is not
  // kept.
  void put(ByteView head, std::shared_ptr<const Bytes> response);
  // For when what was answered may not be repeated any more.
  void clear() { answers_.clear(); }
  // How many were found.
  std::uint64_t found() const { return found_; }

 private:
  bool is_over() const { return clock_.monotonic() - began_ >= kRepeatLife; }

  const Clock& clock_;
  Instant began_{};  // of the oldest answer
  // Ordered: nobody who chooses keys makes it slow.
  std::map<std::string, std::shared_ptr<const Bytes>, std::less<>> answers_;
  std::uint64_t found_ = 0;
};

}  // namespace sallyport::http
