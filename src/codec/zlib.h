// zlib streams (RFC 1950), whole in memory and bounded: for old formats that compress.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace sallyport::codec {

// One stream, at zlib's own level.
Bytes deflate_zlib(ByteView plain);

// What the stream that is all of `stream` holds. Fails with Errc::malformed when it is none, is cut short, is followed
// by something, or wants a preset dictionary; with Errc::overloaded when it holds more than `most` bytes: that much and
// no more is ever written.
Result<Bytes> inflate_zlib(ByteView stream, std::size_t most);

}  // namespace sallyport::codec
