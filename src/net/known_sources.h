// Which sources have lately shown that they are of those whom we serve: floods from elsewhere are to leave them room.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sallyport::net {

// A source is what net::source_of makes of an address. One thread.
class KnownSources {
 public:
  // Remembers `most` at once, each for `life` from the last time on.
  KnownSources(std::size_t most, seconds life) : most_(most), life_(life) {}

  // One too many takes the place of the one that was remembered longest ago.
  void remember(const std::string& source, Instant now);
  bool contains(std::string_view source, Instant now) const;

 private:
  struct Entry {
    std::string source;
    Instant seen{};
  };

  std::size_t most_;
  seconds life_;
  std::list<Entry> entries_;  // who was seen last stands last
  std::map<std::string, std::list<Entry>::iterator, std::less<>> by_source_;
};

}  // namespace sallyport::net
