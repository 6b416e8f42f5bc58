// MessagePack, as far as it says what JSON says: for peers that speak JSON-RPC in it. The values are those of
// codec/json.h, under the same limits, so that nothing behind the parser knows in which of the two a message came.
//
// What JSON has not is refused, never converted: byte strings (`bin`, which would come back as text or not at all),
// extension types, NaN and the infinities, integers outside 64 bits with sign, keys that are not text.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "codec/json.h"

namespace sallyport::codec {

// Reads one value that is all of `bytes`. Numbers and lengths may be written longer than needed; a single-precision
// number becomes the double of the same value. Fails with Errc::malformed with the position of the first fault, and
// Errc::overloaded over a limit.
Result<Json> parse_msgpack(ByteView bytes, JsonLimits limits = {});

// Writes each value in the shortest form, numbers with a fraction as doubles: what Python's msgpack writes with
// Packer(use_bin_type=True). Texts must be UTF-8: other text is a broken invariant.
class MsgpackWriter {
 public:
  // Begin a container: `count` values, or `count` pairs of text and value, are to follow.
  MsgpackWriter& array(std::size_t count);
  MsgpackWriter& map(std::size_t count);
  MsgpackWriter& text(std::string_view text);
  // A whole value; members of objects in the order of their keys.
  MsgpackWriter& value(const Json& value);

  Bytes take() { return out_.take(); }

 private:
  void integer(std::int64_t value);
  void number(double value);

  Writer out_;
};

Bytes write_msgpack(const Json& value);

}  // namespace sallyport::codec
