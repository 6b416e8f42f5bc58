#include "root/root.h"

#include <algorithm>
#include <array>

#include "codec/pem.h"
#include "codec/text.h"
#include "config/document.h"
#include "keystore/file.h"
#include "keystore/key_file.h"

namespace sallyport::root {
namespace {

constexpr std::size_t kMaxSmallFile = 64U << 10U;
constexpr std::size_t kMaxCrlFile = 1U << 20U;

struct ReasonName {
  pki::RevocationReason reason;
  std::string_view text;
};
constexpr std::array kReasons{
    ReasonName{pki::RevocationReason::unspecified, "unspecified"},
    ReasonName{pki::RevocationReason::key_compromise, "key-compromise"},
    ReasonName{pki::RevocationReason::ca_compromise, "ca-compromise"},
    ReasonName{pki::RevocationReason::affiliation_changed, "affiliation-changed"},
    ReasonName{pki::RevocationReason::superseded, "superseded"},
    ReasonName{pki::RevocationReason::cessation_of_operation, "cessation-of-operation"},
};

Result<pki::Certificate> read_certificate(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxSmallFile));
  auto certificates = pki::parse_certificates_pem(as_text(pem), 1);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(path.string()));
  return certificates->front();
}

Result<std::string> read_name(const std::filesystem::path& path) {
  TRY(const auto document, config::Document::load(path));
  TRY(auto name, document.root().text("name"));
  TRY_VOID(document.finish());
  return name;
}

}  // namespace

Result<pki::RevocationReason> parse_reason(std::string_view text) {
  const auto* found = std::ranges::find(kReasons, text, &ReasonName::text);
  if (found != kReasons.end()) return found->reason;
  return fail(Errc::malformed,
              "reason: want unspecified, key-compromise, ca-compromise, affiliation-changed, superseded or "
              "cessation-of-operation");
}

std::string_view reason_text(pki::RevocationReason reason) {
  const auto* found = std::ranges::find(kReasons, reason, &ReasonName::reason);
  return found == kReasons.end() ? "other" : found->text;
}

Root::Root(keystore::StateFolder folder, Journal journal, pki::Certificate certificate, std::string name,
           const Clock& clock, Random& random)
    : folder_(std::move(folder)),
      journal_(std::move(journal)),
      certificate_(std::move(certificate)),
      name_(std::move(name)),
      clock_(clock),
      random_(random) {}

Result<Root> Root::open(keystore::StateFolder folder, const Clock& clock, Random& random) {
  TRY(auto name, read_name(folder.file("root.toml")));
  TRY(auto certificate, read_certificate(folder.file("root.pem")));
  TRY(auto journal, Journal::open(folder.file("journal")));
  Root root(std::move(folder), std::move(journal), std::move(certificate), std::move(name), clock, random);
  for (const auto& entry : root.journal_.entries()) TRY_VOID(root.replay(entry));
  return root;
}

Result<void> Root::replay(const JournalEntry& entry) {
  if (entry.act == "crl") {
    TRY(const auto text, entry.field("number"));
    std::uint64_t number = 0;
    for (const char digit : text) {
      if (digit < '0' || digit > '9' || number > (1ULL << 59U))
        return fail(Errc::malformed, "journal: found a CRL number that is none");
      number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    if (number <= crl_number_)
      return failf(Errc::malformed, "journal: found CRL number {} after {}", number, crl_number_);
    crl_number_ = number;
    return {};
  }
  if (entry.act != "intent" && entry.act != "issued" && entry.act != "revoke") return {};
  TRY(const auto serial_text, entry.field("serial"));
  TRY(const auto serial, pki::SerialNumber::parse_hex(serial_text));
  const auto known = std::ranges::find(signed_cas_, serial, &SignedCa::serial);
  if (entry.act == "intent") {
    if (known != signed_cas_.end()) return fail(Errc::malformed, "journal: found a serial for the second time");
    TRY(const auto spki_text, entry.field("spki"));
    TRY(const auto spki, codec::decode_hex(spki_text));
    SignedCa ca{.serial = serial};
    TRY(ca.ca_name, entry.field("ca"));
    if (spki.size() != ca.spki.size()) return fail(Errc::malformed, "journal: found a hash of another length");
    std::ranges::copy(spki, ca.spki.begin());
    signed_cas_.push_back(std::move(ca));
    return {};
  }
  if (known == signed_cas_.end())
    return failf(Errc::malformed, "journal: found act '{}' on a serial without an intent", entry.act);
  if (entry.act == "issued") {
    known->is_issued = true;
    return {};
  }
  TRY(const auto reason_name, entry.field("reason"));
  TRY(const auto reason, parse_reason(reason_name));
  known->revoked_at = entry.time;
  revoked_.push_back({.serial = serial, .reason = reason, .revoked_at = entry.time});
  return {};
}

Result<void> Root::record(std::string_view act, std::vector<std::pair<std::string, std::string>> fields) {
  TRY_VOID(journal_.append({.time = clock_.now(), .act = std::string(act), .fields = std::move(fields)}));
  return replay(journal_.entries().back());
}

Result<pki::Crl> Root::load_crl() const {
  TRY(const auto pem, keystore::read_file(folder_.file("root.crl"), kMaxCrlFile));
  TRY(const auto der, codec::parse_single_pem(as_text(pem), "X509 CRL"));
  TRY(auto crl, pki::parse_crl(der));
  if (crl.number() == crl_number_) return crl;
  return failf(Errc::conflict, "root.crl: found number {}, want {}: make a new one with 'sallyport root crl'",
               crl.number(), crl_number_);
}

Result<crypto::PrivateKey> Root::unlock(ByteView passphrase) const {
  auto key = keystore::read_private_key_file(folder_.file("root.key"), passphrase);
  if (!key && key.error().code == Errc::unauthorized)
    return fail(Errc::unauthorized, "root.key: found a wrong passphrase");
  if (key && !(key->public_key() == certificate_.public_key()))
    return fail(Errc::conflict, "root.key: found another key than root.pem's");
  return key;
}

Result<ProposedCa> Root::propose(std::string_view file_stem, ByteView csr, const RequestFacts& facts) const {
  TRY(auto plan, plan_ca(file_stem, facts));
  TRY(auto request, pki::parse_csr(csr));
  if (request.public_key == certificate_.public_key())
    return fail(Errc::unauthorized, "request: found the root's own key");
  const auto spki = crypto::sha256(request.public_key.spki());
  std::optional<pki::SerialNumber> before;
  for (const auto& ca : signed_cas_) {
    if (ca.spki != spki || !ca.is_issued) continue;
    if (ca.ca_name != plan.ca_name)
      return failf(Errc::conflict, "request: this key was signed before, as {}", ca.ca_name);
    if (ca.revoked_at) return fail(Errc::unauthorized, "request: this key was revoked, want a new one");
    before = ca.serial;
  }
  const auto validity =
      pki::choose_validity(pki::profile(plan.profile), &certificate_, clock_.now(), pki::profile(plan.profile).longest);
  auto common_name = pki::ca_common_name(plan.ca_name, facts.installation.value_or(name_));
  return ProposedCa(std::move(plan), std::move(common_name), validity, std::move(request), facts.crl_url, before);
}

Result<pki::Certificate> Root::sign(const ProposedCa& proposed, crypto::PrivateKey& key) {
  if (proposed.signed_before_)
    return read_certificate(folder_.file("issued") / (proposed.signed_before_->hex() + ".pem"));
  pki::CertificateFields fields{.common_name = proposed.common_name_,
                                .public_key = proposed.request_.public_key,
                                .validity = proposed.validity_,
                                .serial = pki::SerialNumber::draw(random_),
                                .permitted_dns = proposed.plan_.permitted_dns};
  if (proposed.crl_url_) fields.crl_urls.push_back(*proposed.crl_url_);
  TRY(auto linted, pki::prepare(pki::profile(proposed.plan_.profile), fields, certificate_, clock_.now()));
  const std::string serial = fields.serial.hex();
  TRY_VOID(record("intent", {{"serial", serial},
                             {"ca", proposed.plan_.ca_name},
                             {"spki", codec::encode_hex(crypto::sha256(fields.public_key.spki()))},
                             {"subject", proposed.common_name_}}));
  TRY(auto certificate, pki::issue(std::move(linted), key));
  const std::array one{certificate};
  TRY_VOID(keystore::atomic_write_file(folder_.file("issued") / (serial + ".pem"),
                                       as_bytes(pki::encode_certificates_pem(one)), keystore::kPublicMode));
  TRY_VOID(record("issued", {{"serial", serial}, {"sha256", codec::encode_hex(certificate.fingerprint())}}));
  return certificate;
}

Result<void> Root::revoke(const Revocation& revocation) {
  const auto ca = std::ranges::find(signed_cas_, revocation.serial, &SignedCa::serial);
  if (ca == signed_cas_.end())
    return fail(Errc::not_found, "revocation: this root signed no CA of that serial: see 'sallyport root show'");
  if (ca->revoked_at) return {};
  return record("revoke",
                {{"serial", revocation.serial.hex()}, {"reason", std::string(reason_text(revocation.reason))}});
}

Result<pki::Crl> Root::sign_crl(crypto::PrivateKey& key, seconds lifetime,
                                const std::optional<Revocation>& revocation) {
  if (lifetime < kShortestCrl || lifetime > kLongestCrl) {
    return failf(Errc::malformed, "root CRL: found {} days, want {} to {}", lifetime / kDay, kShortestCrl / kDay,
                 kLongestCrl / kDay);
  }
  if (revocation) TRY_VOID(revoke(*revocation));
  const UnixTime now = clock_.now();
  const pki::CrlFields fields{
      .number = crl_number_ + 1, .this_update = now, .next_update = now + lifetime, .entries = revoked_};
  TRY_VOID(record("crl", {{"number", std::to_string(fields.number)}, {"until", to_iso8601(fields.next_update)}}));
  TRY(const auto der, pki::build_crl(certificate_, fields, key));
  TRY_VOID(keystore::atomic_write_file(folder_.file("root.crl"), as_bytes(codec::encode_pem("X509 CRL", der)),
                                       keystore::kPublicMode));
  return pki::parse_crl(der);
}

}  // namespace sallyport::root
