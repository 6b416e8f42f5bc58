// The client of this layer's tests: raw bytes to a server, and what it says until it closes.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "net/stream.h"

namespace sallyport::http {

inline constexpr milliseconds kSoon{5'000};

inline net::Task<void> send_and_read(net::StreamPtr stream, std::string bytes, std::string& answer) {
  EXPECT_TRUE(co_await stream->write_all(as_bytes(bytes), kSoon));
  auto all = co_await net::read_to_end(*stream, 1 << 20, kSoon);
  EXPECT_TRUE(all);
  answer = as_text(all.value_or(Bytes()));
}

inline std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace sallyport::http
