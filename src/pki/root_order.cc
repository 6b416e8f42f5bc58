#include "pki/root_order.h"

#include <algorithm>

#include "codec/tlv.h"
#include "pki/detail/object_envelope.h"

namespace sallyport::pki {
namespace {

constexpr std::string_view kDomain = "root-order";
constexpr std::string_view kRootOrder = "root order";
constexpr std::size_t kMaxName = 64;
constexpr detail::EnvelopeLimits kLimits{.where = kRootOrder, .bytes = kMaxRootOrderBytes, .certificates = 1};

struct OrderField {
  enum : std::uint16_t { number = 1, installation, issued_at, ca, ca_key, serial, reason };
};

bool is_final(RevocationReason reason) {
  return reason != RevocationReason::certificate_hold && reason != RevocationReason::remove_from_crl;
}

Result<void> check(const RootOrder& order) {
  if (order.number == 0) return fail(Errc::malformed, "root order: found number 0, want at least 1");
  if (order.installation.empty() || order.installation.size() > kMaxName) {
    return failf(Errc::malformed, "root order: installation of {} characters, want 1 to {}", order.installation.size(),
                 kMaxName);
  }
  if (order.ca.empty() || order.ca.size() > kMaxName)
    return failf(Errc::malformed, "root order: CA of {} characters, want 1 to {}", order.ca.size(), kMaxName);
  if (!is_final(order.reason)) return fail(Errc::malformed, "root order: found a reason that could be taken back");
  return {};
}

}  // namespace

Bytes encode_root_order(const RootOrder& order) {
  codec::TlvWriter writer;
  writer.u64(OrderField::number, order.number)
      .text(OrderField::installation, order.installation)
      .time(OrderField::issued_at, order.issued_at)
      .text(OrderField::ca, order.ca)
      .bytes(OrderField::ca_key, order.ca_key);
  if (order.serial) writer.bytes(OrderField::serial, order.serial->content());
  writer.u8(OrderField::reason, static_cast<std::uint8_t>(order.reason));
  return std::move(writer).take();
}

Result<RootOrder> parse_root_order(ByteView payload) {
  if (payload.size() > kMaxRootOrderPayload)
    return failf(Errc::malformed, "root order: {} bytes, want at most {}", payload.size(), kMaxRootOrderPayload);
  codec::TlvReader reader(payload, kRootOrder);
  RootOrder out;
  TRY(out.number, reader.u64(OrderField::number));
  TRY(out.installation, reader.text(OrderField::installation));
  TRY(out.issued_at, reader.time(OrderField::issued_at));
  TRY(out.ca, reader.text(OrderField::ca));
  TRY(out.ca_key, reader.array<32>(OrderField::ca_key));
  TRY(const auto serial, reader.optional_bytes(OrderField::serial));
  if (serial) {
    TRY(out.serial, SerialNumber::from_content(*serial));
  }
  TRY(const std::uint8_t reason, reader.u8(OrderField::reason));
  TRY(out.reason, parse_revocation_reason(reason));
  TRY_VOID(reader.finish());
  TRY_VOID(check(out));
  return out;
}

Result<Bytes> seal_root_order(const RootOrder& order, crypto::SigningKey& key, const Certificate& root) {
  TRY_VOID(check(order));
  if (!(root.public_key() == key.public_key()))
    return fail(Errc::conflict, "root order: the key is not the root's whose certificate it would show");
  const Bytes payload = encode_root_order(order);
  TRY(const Bytes signature, key.sign(codec::signing_input(kDomain, payload)));
  return detail::write_envelope(std::span(&root, 1), payload, signature);
}

Verdict<OpenedRootOrder> open_root_order(ByteView sealed, std::span<const Certificate> roots) {
  const auto envelope = detail::read_envelope(sealed, kLimits);
  if (!envelope) return refuse(Reason::malformed, envelope.error().detail);
  const auto& shown = envelope->certificates;
  const auto is_shown = [&](const Certificate& root) { return !shown.empty() && equal(root.der(), shown.front()); };
  const auto signer = std::ranges::find_if(roots, is_shown);
  if (signer == roots.end()) return refuse(Reason::no_anchor, "root order: its signer is no root that is trusted here");
  const auto scheme = signature_scheme_of(signer->public_key());
  if (!signer->public_key().verify(scheme, codec::signing_input(kDomain, envelope->payload), envelope->signature))
    return refuse(Reason::bad_signature, "root order: signature is not its root's");
  auto order = parse_root_order(envelope->payload);
  if (!order) return refuse(Reason::malformed, std::move(order).error().detail);
  return OpenedRootOrder(*std::move(order), *signer);
}

}  // namespace sallyport::pki
