#include "tunnel/direct.h"

#include <utility>

#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::uint8_t kAccepted = 0;

}  // namespace

Bytes encode_direct_ask(const DirectAsk& ask) {
  SALLYPORT_CHECK(!ask.sealed_grant.empty() && ask.sealed_grant.size() <= kMaxSealedGrant);
  return Writer().u8(std::to_underlying(ask.purpose)).bytes_u16(ask.sealed_grant).take();
}

Result<DirectHead> parse_direct_head(ByteView bytes) {
  Reader reader(bytes);
  TRY(const auto purpose, reader.u8());
  TRY(const auto size, reader.u16());
  TRY_VOID(reader.finish("direct access"));
  if (purpose != std::to_underlying(DirectPurpose::open) && purpose != std::to_underlying(DirectPurpose::renew))
    return failf(Errc::malformed, "direct access: purpose {}, want 1 or 2", purpose);
  if (size == 0 || size > kMaxSealedGrant)
    return failf(Errc::malformed, "direct access: grant of {} bytes, want 1 to {}", size, kMaxSealedGrant);
  return DirectHead{.purpose = static_cast<DirectPurpose>(purpose), .grant_size = size};
}

std::uint8_t encode_direct_answer(std::optional<RefuseCode> refused) {
  return refused ? std::to_underlying(*refused) : kAccepted;
}

Result<std::optional<RefuseCode>> parse_direct_answer(std::uint8_t answer) {
  if (answer == kAccepted) return std::nullopt;
  if (answer < std::to_underlying(RefuseCode::grant_invalid) || answer > std::to_underlying(RefuseCode::busy))
    return failf(Errc::malformed, "direct access: answered {}, want 0 or 2 to 8", answer);
  return static_cast<RefuseCode>(answer);
}

}  // namespace sallyport::tunnel
