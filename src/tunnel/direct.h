// What the command line says to a device that it reaches without the relay, inside TLS (docs/protocol/tunnel.md §13):
// one message with the access grant, one octet in answer, then the service's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "tunnel/frames.h"

namespace sallyport::tunnel {

inline constexpr std::string_view kDirectAlpn = "sallyport-direct/1";

enum class DirectPurpose : std::uint8_t {
  open = 1,   // the service, on this connection
  renew = 2,  // nothing more than that the grant counts
};

struct DirectAsk {
  DirectPurpose purpose = DirectPurpose::open;
  Bytes sealed_grant;  // 1 to kMaxSealedGrant
};

// The first kDirectHeadSize bytes of what a user asks; sealed_grant follows.
inline constexpr std::size_t kDirectHeadSize = 3;
struct DirectHead {
  DirectPurpose purpose = DirectPurpose::open;
  std::size_t grant_size = 0;  // 1 to kMaxSealedGrant
};

// Head and grant. A grant beyond its limits is a broken invariant.
Bytes encode_direct_ask(const DirectAsk& ask);
// Reads exactly kDirectHeadSize bytes. Errc::malformed: another purpose, size or number of bytes.
Result<DirectHead> parse_direct_head(ByteView bytes);

// The one byte that answers: 0, or why not.
std::uint8_t encode_direct_answer(std::optional<RefuseCode> refused);
// Absent: accepted. Errc::malformed for a code that no direct access is refused with.
Result<std::optional<RefuseCode>> parse_direct_answer(std::uint8_t answer);

}  // namespace sallyport::tunnel
