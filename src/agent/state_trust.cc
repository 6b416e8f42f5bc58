// What the agent's folder keeps of roots, their CRLs and the status service.
#include <algorithm>

#include "agent/state.h"
#include "base/log.h"
#include "codec/text.h"
#include "codec/tlv.h"
#include "keystore/file.h"
#include "pki/root_chain.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kMaxCrlFile = 4U << 20U;

enum Field : std::uint16_t { kTimeFloor = 1, kSigner = 3, kRootCrlNumber = 4 };

// key id and what was seen of it: u64, key id
Bytes encode_entry(const Bytes& key_id, std::uint64_t seen) {
  return Writer().u64(seen).bytes(key_id).take();
}

Result<std::pair<Bytes, std::uint64_t>> parse_entry(ByteView bytes) {
  Reader entry(bytes);
  TRY(const auto seen, entry.u64());
  if (entry.remaining() == 0) return fail(Errc::malformed, "ratchets: an entry without a key id");
  return std::pair(to_bytes(entry.rest()), seen);
}

}  // namespace

Bytes encode_ratchets(const Ratchets& ratchets) {
  codec::TlvWriter out;
  out.time(kTimeFloor, ratchets.time_floor);
  for (const auto& [key_id, not_before] : ratchets.signer_not_before)
    out.bytes(kSigner, encode_entry(key_id, static_cast<std::uint64_t>(not_before.since_epoch())));
  for (const auto& [key_id, number] : ratchets.root_crl_numbers)
    out.bytes(kRootCrlNumber, encode_entry(key_id, number));
  return out.take();
}

Result<Ratchets> parse_ratchets(ByteView bytes) {
  codec::TlvReader reader(bytes, "ratchets");
  Ratchets out;
  TRY(out.time_floor, reader.time(kTimeFloor));
  TRY(const auto signers, reader.repeated(kSigner, kMaxRatchetSigners));
  for (const ByteView each : signers) {
    TRY(auto entry, parse_entry(each));
    if (entry.second > static_cast<std::uint64_t>(kNoExpiry.since_epoch()))
      return fail(Errc::malformed, "ratchets: a time after 9999");
    out.signer_not_before[std::move(entry.first)] = UnixTime(static_cast<std::int64_t>(entry.second));
  }
  TRY(const auto numbers, reader.repeated(kRootCrlNumber, kMaxRatchetRoots));
  for (const ByteView each : numbers) {
    TRY(auto entry, parse_entry(each));
    out.root_crl_numbers[std::move(entry.first)] = entry.second;
  }
  TRY_VOID(reader.finish());
  return out;
}

Result<void> AgentState::take_anchors(std::vector<pki::Certificate> anchors) {
  if (anchors.empty() || anchors.size() > pki::kMaxAnchorsInUse)
    return failf(Errc::malformed, "roots: {}, want 1 to {}", anchors.size(), pki::kMaxAnchorsInUse);
  if (anchors == anchors_) return {};
  TRY_VOID(keystore::atomic_write_file(file("anchors.pem"), as_bytes(pki::encode_certificates_pem(anchors)),
                                       keystore::kPublicMode));
  anchors_ = std::move(anchors);
  log::info("agent.roots",
            {{"newest", codec::encode_hex(anchors_.front().fingerprint())}, {"trusted", anchors_.size()}});
  return {};
}

Result<bool> AgentState::has_credential_below(const pki::Certificate& root) {
  TRY(const auto credential, operational_.load());
  if (!credential || credential->chain.size() < 2) return false;
  const pki::Certificate& ca = credential->chain[1];
  return ca.issuer() == root.subject() && ca.extensions().authority_key_id == root.extensions().subject_key_id;
}

Result<void> AgentState::refresh_links() const {
  std::error_code ignored;
  const bool were_replaced = std::filesystem::exists(file("anchors.pem"), ignored);
  std::vector<keystore::SymbolicLink> links = {{file("device-roots.pem"), were_replaced ? "anchors.pem" : "root.pem"}};
  TRY(const auto stem, operational_.current_stem());
  if (stem) {
    links.push_back({file("device.key"), *stem + ".key"});
    links.push_back({file("device.pem"), *stem + ".pem"});
  }
  return keystore::atomic_links(links);
}

std::string AgentState::crl_file_name(const pki::Certificate& root) {
  return fmt::format("root-{}.crl", codec::encode_hex(root.extensions().subject_key_id.value_or(Bytes())));
}

std::optional<pki::Crl> AgentState::find_root_crl(const pki::Certificate& root) const {
  const auto bytes = keystore::read_file(file(crl_file_name(root)), kMaxCrlFile);
  if (!bytes) return std::nullopt;
  auto crl = pki::parse_crl(*bytes);
  if (!crl) return std::nullopt;
  return *std::move(crl);
}

std::vector<pki::Crl> AgentState::root_crls() const {
  std::vector<pki::Crl> out;
  for (const pki::Certificate& root : anchors_) {
    if (auto crl = find_root_crl(root)) out.push_back(*std::move(crl));
  }
  return out;
}

Result<void> AgentState::store_root_crl(const pki::VerifiedCrl& crl) {
  return keystore::atomic_write_file(file(crl_file_name(crl.issuer())), crl.crl().der(), keystore::kPublicMode);
}

}  // namespace sallyport::agent
