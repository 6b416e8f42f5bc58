#include "root/root.h"

#include <algorithm>
#include <array>

#include "codec/pem.h"
#include "codec/text.h"
#include "config/document.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "root/detail/generations.h"

namespace sallyport::root {
namespace {

constexpr std::size_t kMaxSmallFile = 64U << 10U;
constexpr std::size_t kMaxCrlFile = 1U << 20U;

struct ReasonName {
  pki::RevocationReason reason;
  std::string_view text;
  std::string_view rfc5280;
};
constexpr std::array kReasons{
    ReasonName{pki::RevocationReason::unspecified, "unspecified", "unspecified"},
    ReasonName{pki::RevocationReason::key_compromise, "key-compromise", "keyCompromise"},
    ReasonName{pki::RevocationReason::ca_compromise, "ca-compromise", "cACompromise"},
    ReasonName{pki::RevocationReason::affiliation_changed, "affiliation-changed", "affiliationChanged"},
    ReasonName{pki::RevocationReason::superseded, "superseded", "superseded"},
    ReasonName{pki::RevocationReason::cessation_of_operation, "cessation-of-operation", "cessationOfOperation"},
};

Result<pki::Certificate> read_certificate(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxSmallFile));
  auto certificates = pki::parse_certificates_pem(as_text(pem), 1);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(path.string()));
  return certificates->front();
}

Result<pki::Crl> read_crl(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxCrlFile));
  TRY(const auto der, codec::parse_single_pem(as_text(pem), "X509 CRL"));
  return pki::parse_crl(der);
}

bool has_field(const JournalEntry& entry, std::string_view key) {
  return std::ranges::any_of(entry.fields, [&](const auto& field) { return field.first == key; });
}

Result<std::uint64_t> parse_number(const JournalEntry& entry, std::string_view key) {
  TRY(const auto text, entry.field(key));
  std::uint64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || number > (1ULL << 59U))
      return failf(Errc::malformed, "journal: found a {} of act '{}' that is no number", key, entry.act);
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return number;
}

Result<std::string> read_name(const std::filesystem::path& path) {
  TRY(const auto document, config::Document::load(path));
  TRY(auto name, document.root().text("name"));
  TRY_VOID(document.finish());
  return name;
}

}  // namespace

Result<pki::RevocationReason> parse_reason(std::string_view text) {
  const auto* found =
      std::ranges::find_if(kReasons, [&](const ReasonName& each) { return each.text == text || each.rfc5280 == text; });
  if (found != kReasons.end()) return found->reason;
  return fail(Errc::malformed,
              "found another word, want unspecified, key-compromise, ca-compromise, affiliation-changed, superseded or "
              "cessation-of-operation");
}

std::string_view reason_text(pki::RevocationReason reason) {
  const auto* found = std::ranges::find(kReasons, reason, &ReasonName::reason);
  return found == kReasons.end() ? "other" : found->text;
}

Root::Root(keystore::StateFolder folder, Journal journal, std::vector<RootGeneration> generations, std::string name,
           const Clock& clock, Random& random)
    : folder_(std::move(folder)),
      journal_(std::move(journal)),
      generations_(std::move(generations)),
      name_(std::move(name)),
      clock_(clock),
      random_(random) {}

Result<Root> Root::open(keystore::StateFolder folder, const Clock& clock, Random& random) {
  TRY(auto name, read_name(folder.file("root.toml")));
  TRY(auto journal, Journal::open(folder.file("journal")));
  TRY_VOID(detail::settle_rollover(folder, journal));
  TRY(auto generations, detail::read_generations(folder, journal));
  Root root(std::move(folder), std::move(journal), std::move(generations), std::move(name), clock, random);
  for (const auto& entry : root.journal_.entries()) TRY_VOID(root.replay(entry));
  return root;
}

Result<void> Root::replay_crl(const JournalEntry& entry) {
  TRY(const auto number, parse_number(entry, "number"));
  // Entries from before the first rollover do not name the root: it was the only one.
  TRY(const auto which, has_field(entry, "root") ? parse_number(entry, "root") : Result<std::uint64_t>(1));
  if (which == 0 || which > replayed_)
    return failf(Errc::malformed, "journal: found a CRL of root {}, want 1 to {}", which, replayed_);
  std::uint64_t& last = generations_[which - 1].crl_number;
  if (number <= last) return failf(Errc::malformed, "journal: found CRL number {} after {}", number, last);
  last = number;
  return {};
}

Result<void> Root::replay_rollover(const JournalEntry& entry) {
  TRY(const auto number, parse_number(entry, "root"));
  if (number != replayed_ + 1 || number > generations_.size())
    return failf(Errc::malformed, "journal: found root {} after root {}", number, replayed_);
  ++replayed_;
  return {};
}

Result<void> Root::replay_order(const JournalEntry& entry) {
  TRY(const auto number, parse_number(entry, "number"));
  if (number != order_number_ + 1)
    return failf(Errc::malformed, "journal: found order {} after order {}", number, order_number_);
  order_number_ = number;
  return {};
}

Result<void> Root::replay(const JournalEntry& entry) {
  if (entry.act == "crl") return replay_crl(entry);
  if (entry.act == "rollover") return replay_rollover(entry);
  if (entry.act == "order") return replay_order(entry);
  if (entry.act != "intent" && entry.act != "issued" && entry.act != "revoke") return {};
  TRY(const auto serial_text, entry.field("serial"));
  TRY(const auto serial, pki::SerialNumber::parse_hex(serial_text));
  const auto known = std::ranges::find(signed_cas_, serial, &SignedCa::serial);
  if (entry.act == "intent") {
    if (known != signed_cas_.end()) return fail(Errc::malformed, "journal: found a serial for the second time");
    TRY(const auto spki_text, entry.field("spki"));
    TRY(const auto spki, codec::decode_hex(spki_text));
    SignedCa ca{.serial = serial, .generation = replayed_};
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
  known->reason = reason;
  return {};
}

Result<void> Root::record(std::string_view act, std::vector<std::pair<std::string, std::string>> fields) {
  TRY_VOID(journal_.append({.time = clock_.now(), .act = std::string(act), .fields = std::move(fields)}));
  return replay(journal_.entries().back());
}

std::filesystem::path Root::file_of(const RootGeneration& generation, std::string_view extension) const {
  if (&generation == &generations_.back()) return folder_.file(fmt::format("root{}", extension));
  return folder_.file(fmt::format("root-{}{}", generation.number, extension));
}

Result<pki::Crl> Root::load_crl() const {
  auto newest = read_crl(file_of(generations_.back(), ".crl"));
  if (!newest && newest.error().code == Errc::not_found)
    return fail(Errc::not_found, "root.crl: found none, want one: make it with 'sallyport root crl'");
  TRY(auto crl, std::move(newest));
  if (crl.number() == crl_number()) return crl;
  return failf(Errc::conflict, "root.crl: found number {}, want {}: make a new one with 'sallyport root crl'",
               crl.number(), crl_number());
}

Result<std::vector<pki::Crl>> Root::load_crls() const {
  TRY(auto newest, load_crl());
  std::vector<pki::Crl> out{std::move(newest)};
  for (std::size_t i = generations_.size() - 1; i > 0; --i) {
    auto older = read_crl(file_of(generations_[i - 1], ".crl"));
    if (!older && older.error().code == Errc::not_found) continue;
    if (!older) return std::unexpected(std::move(older).error());
    out.push_back(*std::move(older));
  }
  return out;
}

Result<crypto::PrivateKey> Root::unlock(const RootGeneration& generation, ByteView passphrase) const {
  const auto path = file_of(generation, ".key");
  const std::string name = path.filename().string();
  auto key = keystore::read_private_key_file(path, passphrase);
  if (!key && key.error().code == Errc::unauthorized)
    return failf(Errc::unauthorized, "{}: found a wrong passphrase", name);
  if (key && !(key->public_key() == generation.certificate.public_key()))
    return failf(Errc::conflict, "{}: found another key than its certificate's", name);
  return key;
}

// The status service has the first root's CRL as root.crl and every later one's under its key.
std::optional<std::string> Root::crl_url_of(const RequestFacts& facts) const {
  constexpr std::string_view kFirst = "/root.crl";
  if (!facts.crl_url || generations_.size() == 1 || !facts.crl_url->ends_with(kFirst)) return facts.crl_url;
  const std::string_view folder = std::string_view(*facts.crl_url).substr(0, facts.crl_url->size() - kFirst.size());
  return fmt::format("{}/root-{}.crl", folder,
                     codec::encode_hex(certificate().extensions().subject_key_id.value_or(Bytes())));
}

Result<ProposedCa> Root::propose(std::string_view file_stem, ByteView csr, const RequestFacts& facts) const {
  TRY(auto plan, plan_ca(file_stem, facts));
  TRY(auto request, pki::parse_csr(csr));
  const auto is_own = [&](const auto& each) { return each.certificate.public_key() == request.public_key; };
  if (std::ranges::any_of(generations_, is_own)) return fail(Errc::unauthorized, "request: found the root's own key");
  const auto spki = crypto::sha256(request.public_key.spki());
  std::optional<pki::SerialNumber> before;
  for (const auto& ca : signed_cas_) {
    if (ca.spki != spki || !ca.is_issued || ca.generation != generations_.back().number) continue;
    if (ca.ca_name != plan.ca_name)
      return failf(Errc::conflict, "request: this key was signed before, as {}", ca.ca_name);
    if (ca.revoked_at) return fail(Errc::unauthorized, "request: this key was revoked, want a new one");
    before = ca.serial;
  }
  const auto validity = pki::choose_validity(pki::profile(plan.profile), &certificate(), clock_.now(),
                                             pki::profile(plan.profile).longest);
  auto common_name = pki::ca_common_name(plan.ca_name, facts.installation.value_or(name_));
  return ProposedCa(std::move(plan), std::move(common_name), validity, std::move(request), crl_url_of(facts), before);
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
  TRY(auto linted, pki::prepare(pki::profile(proposed.plan_.profile), fields, certificate(), clock_.now()));
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

Result<pki::Certificate> Root::read_issued(const SignedCa& ca) const {
  return read_certificate(folder_.file("issued") / (ca.serial.hex() + ".pem"));
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
  const auto generation = std::ranges::find_if(
      generations_, [&](const auto& each) { return each.certificate.public_key() == key.public_key(); });
  if (generation == generations_.end())
    return fail(Errc::conflict, "root CRL: found a key that is no root's of this folder");
  if (revocation) TRY_VOID(revoke(*revocation));
  const UnixTime now = clock_.now();
  pki::CrlFields fields{.number = generation->crl_number + 1, .this_update = now, .next_update = now + lifetime};
  for (const auto& ca : signed_cas_) {
    if (ca.generation != generation->number || !ca.revoked_at) continue;
    fields.entries.push_back({.serial = ca.serial, .reason = ca.reason, .revoked_at = *ca.revoked_at});
  }
  TRY_VOID(record("crl", {{"number", std::to_string(fields.number)},
                          {"root", std::to_string(generation->number)},
                          {"until", to_iso8601(fields.next_update)}}));
  TRY(const auto der, pki::build_crl(generation->certificate, fields, key));
  TRY_VOID(keystore::atomic_write_file(file_of(*generation, ".crl"), as_bytes(codec::encode_pem("X509 CRL", der)),
                                       keystore::kPublicMode));
  return pki::parse_crl(der);
}

Result<std::vector<pki::Crl>> Root::sign_crls(ByteView passphrase, seconds lifetime,
                                              const std::optional<Revocation>& revocation) {
  std::vector<crypto::PrivateKey> keys;
  std::vector<std::uint32_t> present;
  for (std::size_t i = generations_.size(); i > 0; --i) {
    auto key = unlock(generations_[i - 1], passphrase);
    if (!key && key.error().code == Errc::not_found && i < generations_.size()) continue;
    if (!key) return std::unexpected(std::move(key).error());
    keys.push_back(*std::move(key));
    present.push_back(generations_[i - 1].number);
  }
  if (revocation) {
    const auto ca = std::ranges::find(signed_cas_, revocation->serial, &SignedCa::serial);
    if (ca != signed_cas_.end() && std::ranges::find(present, ca->generation) == present.end())
      return failf(Errc::not_found, "root-{}.key: not here, want it for the CRL of the root that signed this CA",
                   ca->generation);
  }
  std::vector<pki::Crl> out;
  for (auto& key : keys) {
    TRY(auto crl, sign_crl(key, lifetime, revocation));
    out.push_back(std::move(crl));
  }
  return out;
}

}  // namespace sallyport::root
