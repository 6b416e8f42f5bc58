// Logs are events with fields, one line each, on standard error. Thread-safe. Cores do not log.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport::log {

// error: a human must act; warn: degraded; info: life cycle; debug: per connection.
enum class Level : std::uint8_t { debug, info, warn, error };

// One field of an event. Values are escaped when written, so that a peer's bytes can neither break a line nor colour
// it, and cut at kMaxValueLength.
struct Field {
  std::string_view name;
  std::string value;

  Field(std::string_view field, std::string_view text) : name(field), value(text) {}
  Field(std::string_view field, const char* text) : name(field), value(text) {}
  Field(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
  Field(std::string_view field, bool flag) : name(field), value(flag ? "true" : "false") {}
  Field(std::string_view field, std::integral auto number) : name(field), value(std::to_string(number)) {}
  Field(std::string_view field, const Error& error)
      : name(field), value(std::string(to_string(error.code)) + ": " + error.detail) {}
};

inline constexpr std::size_t kMaxValueLength = 512;

// Names the program in every line and sets what is written; called once, in main. Level::info until then.
void start(std::string_view program, Level least);

// `event` is a stable dotted name ("tunnel.opened") of the program, never built from input.
void write(Level level, std::string_view event, std::initializer_list<Field> fields);

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::info, event, fields);
}
inline void warn(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::warn, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::error, event, fields);
}

// Returns `text` with control characters, quotes, backslashes and bytes outside ASCII written as \xNN, cut at the
// limit.
std::string escape(std::string_view text);

}  // namespace sallyport::log
