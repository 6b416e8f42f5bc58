// A node's bundle: its prekey, told to everybody and signed by the node (docs/protocol/sealed-rpc.md §2). The envelope
// and the signer's chain are pki's; this is the payload.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "sealed/names.h"

namespace sallyport::sealed {

inline constexpr seconds kPrekeyLife = kDay;            // drawn anew after this
inline constexpr seconds kPrekeyAcceptance = 2 * kDay;  // accepted for this long after it was drawn
inline constexpr seconds kBundleLife = kPrekeyAcceptance;

using PublicPrekey = std::array<std::uint8_t, 32>;

struct Bundle {
  NodeName node;
  PublicPrekey prekey{};
  std::uint32_t prekey_id = 0;
  UnixTime not_before;
  UnixTime not_after;          // at most kBundleLife after not_before
  std::uint64_t sequence = 0;  // grows with every bundle of the node
  friend bool operator==(const Bundle&, const Bundle&) = default;
};

// The TLV payload (codec/tlv.h): a new field would be a new kind of object.
Bytes encode_bundle(const Bundle& bundle);
// Fails with Errc::malformed on any field outside its grammar or on times that contradict each other.
Result<Bundle> parse_bundle(ByteView payload);
// Errc::not_yet, Errc::expired by `now`; Errc::conflict when `bundle` is another node's or its sequence is below
// `seen`.
Result<void> check_bundle(const Bundle& bundle, const NodeName& node, std::uint64_t seen, UnixTime now);

}  // namespace sallyport::sealed
