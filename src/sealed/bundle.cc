#include "sealed/bundle.h"

#include "codec/tlv.h"

namespace sallyport::sealed {
namespace {

enum BundleField : std::uint16_t { kNode = 1, kPrekey, kPrekeyId, kNotBefore, kNotAfter, kSequence };

}  // namespace

Bytes encode_bundle(const Bundle& bundle) {
  return codec::TlvWriter()
      .text(kNode, bundle.node.get())
      .bytes(kPrekey, bundle.prekey)
      .u32(kPrekeyId, bundle.prekey_id)
      .time(kNotBefore, bundle.not_before)
      .time(kNotAfter, bundle.not_after)
      .u64(kSequence, bundle.sequence)
      .take();
}

Result<Bundle> parse_bundle(ByteView payload) {
  codec::TlvReader reader(payload, "rpc bundle");
  Bundle out;
  TRY(const auto node, reader.text(kNode));
  TRY(out.node, parse_node_name(node));
  TRY(out.prekey, reader.array<32>(kPrekey));
  TRY(out.prekey_id, reader.u32(kPrekeyId));
  TRY(out.not_before, reader.time(kNotBefore));
  TRY(out.not_after, reader.time(kNotAfter));
  TRY(out.sequence, reader.u64(kSequence));
  TRY_VOID(reader.finish());
  if (out.not_after <= out.not_before || out.not_after - out.not_before > kBundleLife)
    return failf(Errc::malformed, "rpc bundle: from {} to {}, want at most {} s", to_iso8601(out.not_before),
                 to_iso8601(out.not_after), kBundleLife.count());
  return out;
}

Result<void> check_bundle(const Bundle& bundle, const NodeName& node, std::uint64_t seen, UnixTime now) {
  if (bundle.node != node) return failf(Errc::conflict, "rpc bundle: of {}, want {}", bundle.node.get(), node.get());
  if (bundle.sequence < seen)
    return failf(Errc::conflict, "rpc bundle: sequence {}, want {} or more: an old one", bundle.sequence, seen);
  if (now < bundle.not_before) return failf(Errc::not_yet, "rpc bundle: not before {}", to_iso8601(bundle.not_before));
  if (now > bundle.not_after) return failf(Errc::expired, "rpc bundle: ended {}", to_iso8601(bundle.not_after));
  return {};
}

}  // namespace sallyport::sealed
