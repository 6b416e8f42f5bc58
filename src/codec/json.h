// JSON (RFC 8259), strict: valid UTF-8, no duplicate keys, bounded size and depth, integers that fit. The one façade
// over the parser; nothing is ever signed or authorised on JSON that was parsed and written again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace sallyport::codec {

// A JSON value. A value type: copies are deep. Objects are kept in key order, so that writing is deterministic.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;
  Json(std::nullptr_t) {}                                // NOLINT(google-explicit-constructor)
  Json(bool value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  Json(std::int64_t value) : value_(value) {}            // NOLINT(google-explicit-constructor)
  Json(int value) : value_(std::int64_t{value}) {}       // NOLINT(google-explicit-constructor)
  Json(unsigned value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  // Numbers above 2^53 lose precision in browsers: such counters are sent as text by those who have them.
  Json(std::uint64_t value) : value_(static_cast<std::int64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  Json(double value) : value_(value) {}                                    // NOLINT(google-explicit-constructor)
  Json(const char* value) : value_(std::string(value)) {}                  // NOLINT(google-explicit-constructor)
  Json(std::string value) : value_(std::move(value)) {}                    // NOLINT(google-explicit-constructor)
  Json(std::string_view value) : value_(std::string(value)) {}             // NOLINT(google-explicit-constructor)
  Json(Array value) : value_(std::move(value)) {}                          // NOLINT(google-explicit-constructor)
  Json(Object value) : value_(std::move(value)) {}                         // NOLINT(google-explicit-constructor)

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Calls `visitor` with what this is: nullptr_t, bool, std::int64_t, double, std::string, Array or Object.
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    return std::visit(std::forward<Visitor>(visitor), value_);
  }

  // Each fails with Errc::malformed when the value is of another type.
  Result<bool> boolean() const;
  Result<std::int64_t> integer() const;
  Result<double> number() const;
  Result<std::string> text() const;
  Result<Array> array() const;
  Result<Object> object() const;

  // The member `key` of an object: fails with Errc::malformed, naming the key, when this is no object or has no such
  // member.
  Result<Json> at(std::string_view key) const;
  // The member, or null.
  const Json* find(std::string_view key) const;
  Result<std::string> text_at(std::string_view key) const;
  Result<std::int64_t> integer_at(std::string_view key) const;
  Result<bool> boolean_at(std::string_view key) const;
  // Fails unless this is an object whose keys are all among `known`.
  Result<void> only_keys(std::initializer_list<std::string_view> known) const;

  // Writes compact JSON; control characters and non-ASCII that is not UTF-8 never occur in it.
  std::string write() const;
  // Appends the same to `out`.
  void write_to(std::string& out) const;

  // An integer and a double are never equal.
  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_ = nullptr;
};

struct JsonLimits {
  std::size_t size = 1U << 20U;  // bytes of text
  std::size_t depth = 32;        // nested arrays and objects
  std::size_t values = 16'384;   // of every kind, containers included: bounds memory, some 120 bytes each
};

// Fails with Errc::malformed with the position of the first fault, and Errc::overloaded over a limit.
Result<Json> parse_json(std::string_view text, JsonLimits limits = {});

// Whether `text` is valid UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);

}  // namespace sallyport::codec
