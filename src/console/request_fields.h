// What a request may carry: members of its JSON body, or of its query. What is not named here is refused, so that
// nothing can be assigned by accident.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "codec/json.h"
#include "http/message.h"

namespace sallyport::console {

enum class FieldKind : std::uint8_t { text, integer, boolean, texts };

inline constexpr std::size_t kMaxListedText = 256;

struct Field {
  std::string_view name;
  FieldKind kind = FieldKind::text;
  bool required = false;
  // Bytes of a text, the value of an integer, or how many texts, each of kMaxListedText bytes at most; ends included.
  std::int64_t least = 0;
  std::int64_t most = 64 * 1024;
};

// Both fail with Errc::malformed and a detail "invalid-request: …" that names the member: it is unknown, missing, there
// twice, of another type or outside its limits.
//
// An empty body is an empty object.
Result<codec::Json::Object> parse_body(ByteView body, std::span<const Field> fields);
// `query` is what follows '?'.
Result<codec::Json::Object> parse_query(std::string_view query, std::span<const Field> fields);

}  // namespace sallyport::console
