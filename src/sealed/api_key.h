// API keys, and what a node keeps of one (docs/protocol/sealed-rpc.md §2).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"
#include "sealed/names.h"

namespace sallyport::sealed {

inline constexpr seconds kHintPeriod{600};
// The epoch of callers that do not know the time.
inline constexpr std::uint64_t kNoEpoch = ~std::uint64_t{0};

using Hint = std::array<std::uint8_t, 6>;
using NodeKey = Secret<32>;

// An id and 32 random bytes. Whoever has it can call every node that knows it.
struct ApiKey {
  KeyId id;
  Secret<32> secret;
};

ApiKey draw_api_key(KeyId id, Random& random);
// "spk1_<id>_<secret>_<check>".
SecretBytes to_text(const ApiKey& key);
// Fails with Errc::malformed; a key that was mistyped is told by its check, not by a node's silence.
Result<ApiKey> parse_api_key(std::string_view text);

// What `node` keeps of `secret`. It opens no other node.
NodeKey derive_node_key(const Secret<32>& secret, const NodeName& node);
// The hint of `key` in the period of `now`, give or take `periods`; hint_without_clock() where time is not known.
Hint hint_at(const NodeKey& key, UnixTime now, int periods = 0);
Hint hint_without_clock(const NodeKey& key);

}  // namespace sallyport::sealed
