// How often strangers may cause a line in the log (docs/threat-model.md, P7). A pure class; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sallyport::log {

// One line in `interval` for each source, and one for all those together that are more than `most` at the same time.
class Budget {
 public:
  static constexpr std::size_t kMostSources = 256;

  explicit Budget(milliseconds interval = milliseconds(1'000), std::size_t most = kMostSources)
      : interval_(interval), most_(most) {}

  // How many lines were left out since the last one, when another may be written; nothing when it is to be left out.
  std::optional<std::uint64_t> take(std::string_view source, Instant now);

 private:
  struct Entry {
    Instant next{};
    std::uint64_t left_out = 0;
  };

  Entry& entry_of(std::string_view source, Instant now);

  milliseconds interval_;
  std::size_t most_;
  std::map<std::string, Entry, std::less<>> sources_;
  Entry others_;
  Instant next_sweep_{};
};

}  // namespace sallyport::log
