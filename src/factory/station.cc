#include "factory/station.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/document.h"
#include "factory/detail/commissioning.h"
#include "keystore/file.h"
#include "keystore/pkcs11.h"
#include "pki/issue.h"
#include "pki/profile.h"

namespace sallyport::factory {
namespace {

constexpr std::size_t kMaxSmallFile = 64U << 10U;

Result<NewStation> load_names(const keystore::StateFolder& folder) {
  TRY(const auto document, config::Document::load(folder.file("factory.toml")));
  NewStation names;
  TRY(const auto site, document.root().text("site"));
  TRY(names.site, parse_site_name(site));
  TRY(const auto zone, document.root().text("zone"));
  TRY(names.zone, parse_dns_name(zone));
  TRY(names.key, document.root().find_text("key"));
  TRY_VOID(document.finish());
  return names;
}

Result<std::unique_ptr<crypto::SigningKey>> open_key(const keystore::StateFolder& folder, const NewStation& names) {
  if (names.key) {
    TRY(const auto uri, keystore::parse_pkcs11_uri(*names.key));
    TRY(auto key, keystore::Pkcs11Key::open(uri));
    return key;
  }
  TRY(const auto secret, keystore::MachineSecret::open(folder.file("secret")));
  TRY(auto key, secret.read_key(folder.file("ca.key")));
  return std::make_unique<crypto::PrivateKey>(std::move(key));
}

}  // namespace

Station::Station(keystore::StateFolder folder, NewStation names, std::unique_ptr<crypto::SigningKey> key, Ledger ledger,
                 const Clock& clock, Random& random)
    : folder_(std::move(folder)),
      names_(std::move(names)),
      name_space_(pki::factory_namespace(names_.site, names_.zone)),
      key_(std::move(key)),
      ledger_(std::move(ledger)),
      clock_(clock),
      random_(random) {}

Result<Station> Station::open(keystore::StateFolder folder, const Clock& clock, Random& random) {
  TRY(auto names, load_names(folder));
  TRY(auto key, open_key(folder, names));
  TRY(auto ledger, Ledger::open(folder.file("ledger.bin")));
  Station station(std::move(folder), std::move(names), std::move(key), std::move(ledger), clock, random);
  TRY_VOID(station.load_authority());
  return station;
}

Result<void> Station::load_authority() {
  auto permit = keystore::read_file(folder_.file("permit"), kMaxSmallFile);
  if (!permit && permit.error().code == Errc::not_found) return {};
  if (!permit) return std::unexpected(std::move(permit).error());
  TRY(const auto ca, keystore::read_file(folder_.file("ca.pem"), kMaxSmallFile));
  TRY(const auto root, keystore::read_file(folder_.file("root.pem"), kMaxSmallFile));
  const Commissioning installed{
      .permit = *std::move(permit), .ca_pem = std::string(as_text(ca)), .root_pem = std::string(as_text(root))};
  // The permit was judged by the clock when it came; it may outlive the certificate of its signer.
  TRY(authority_, verify(installed, pki::TimeRule::floor(UnixTime(0))));
  return {};
}

Result<Station::Authority> Station::verify(const Commissioning& commissioning, const pki::TimeRule& time) const {
  TRY(auto root, parse_one_certificate(commissioning.root_pem, "root certificate"));
  TRY(auto ca, parse_one_certificate(commissioning.ca_pem, "site CA certificate"));
  if (!(ca.public_key() == key_->public_key())) {
    return fail(Errc::unauthorized, "site CA certificate: found another key than this station's");
  }
  TRY_VOID(check_site_ca(ca, root, name_space_));
  TRY(auto permit, open_permit(commissioning.permit, root, time));
  if (permit.site != names_.site || permit.name_space != name_space_) {
    return failf(Errc::unauthorized, "permit: found site '{}', want '{}' in this zone", permit.site.get(),
                 names_.site.get());
  }
  return Authority{
      .ca = std::move(ca), .root = std::move(root), .permit = std::move(permit), .sealed_permit = commissioning.permit};
}

Result<pki::SitePermit> Station::commission(const Commissioning& commissioning) {
  TRY(auto next, verify(commissioning, pki::TimeRule::clock(clock_.now())));
  TRY_VOID(check_in_force(next.permit, clock_.now()));
  if (authority_ && !(authority_->root == next.root)) {
    return fail(Errc::unauthorized, "root certificate: found another root than the one this station was set up with");
  }
  if (authority_ && next.permit.number < authority_->permit.number) {
    return failf(Errc::conflict, "permit: found number {}, want at least {}, which is in force", next.permit.number,
                 authority_->permit.number);
  }
  const std::array ca{next.ca};
  const std::array root{next.root};
  TRY_VOID(keystore::atomic_write_file(folder_.file("root.pem"), as_bytes(pki::encode_certificates_pem(root)),
                                       keystore::kPublicMode));
  TRY_VOID(keystore::atomic_write_file(folder_.file("ca.pem"), as_bytes(pki::encode_certificates_pem(ca)),
                                       keystore::kPublicMode));
  TRY_VOID(keystore::atomic_write_file(folder_.file("permit"), next.sealed_permit, keystore::kPublicMode));
  authority_ = std::move(next);
  return authority_->permit;
}

Result<SerialId> serial_id_for(const pki::CertificateRequest& request, const std::optional<SerialId>& wanted,
                               const DnsName& name_space) {
  if (request.dns_names.size() > 1) {
    return failf(Errc::unauthorized, "request: found {} DNS names, want at most one", request.dns_names.size());
  }
  if (request.dns_names.empty()) {
    if (wanted) return *wanted;
    const auto common_name = request.subject.common_name();
    if (!common_name) return fail(Errc::malformed, "request: found no name, want --serial-id or a name in the request");
    return parse_serial_id(*common_name);
  }
  const std::string_view name = request.dns_names.front();
  const std::string suffix = "." + name_space.get();
  if (!name.ends_with(suffix)) {
    return failf(Errc::unauthorized, "request: found a name outside this site's namespace '{}'", name_space.get());
  }
  TRY(auto asked, parse_serial_id(name.substr(0, name.size() - suffix.size())));
  if (wanted && *wanted != asked) {
    return failf(Errc::unauthorized, "request: found serial id '{}', want '{}'", asked.get(), wanted->get());
  }
  return asked;
}

Result<void> Station::check_permit(const SerialId& serial_id) const {
  if (!authority_)
    return fail(Errc::unauthorized, "station: found no permit: install one with 'sallyport factory permit'");
  const auto& permit = authority_->permit;
  TRY_VOID(check_in_force(permit, clock_.now()));
  if (ledger_.head().sequence >= permit.count) {
    return failf(Errc::overloaded, "permit: all {} certificates are issued: ask for a new permit", permit.count);
  }
  if (permit.serial_prefix && !serial_id.get().starts_with(*permit.serial_prefix)) {
    return failf(Errc::unauthorized, "permit: found serial id '{}', want one that begins with '{}'", serial_id.get(),
                 *permit.serial_prefix);
  }
  return {};
}

Result<Issued> Station::issue(const pki::CertificateRequest& request, const std::optional<SerialId>& serial_id) {
  TRY(const auto id, serial_id_for(request, serial_id, name_space_));
  const auto spki = crypto::sha256(request.public_key.spki());
  if (const Issued* before = ledger_.find(id); before != nullptr && before->entry.spki == spki) return *before;
  if (ledger_.has_open_intent()) TRY_VOID(ledger_.record_voided());
  TRY_VOID(check_permit(id));
  return sign(request, id);
}

Result<Issued> Station::sign(const pki::CertificateRequest& request, const SerialId& serial_id) {
  const UnixTime now = clock_.now();
  const UnixTime newest = ledger_.issued().empty() ? now : ledger_.issued().back().entry.issued_at;
  if (now + kClockStep < newest) {
    return failf(Errc::conflict, "clock: found {}, want not before the newest ledger entry of {}: set the clock",
                 to_iso8601(now), to_iso8601(newest));
  }
  const auto& profile = pki::profile(pki::ProfileId::factory_device);
  const pki::CertificateFields fields{.common_name = serial_id.get(),
                                      .organization = names_.site.get(),
                                      .dns_names = {under(serial_id.get(), name_space_).get()},
                                      .public_key = request.public_key,
                                      .validity = pki::choose_validity(profile, &authority_->ca, now, pki::kUnlimited),
                                      .serial = pki::SerialNumber::draw(random_)};
  TRY(auto linted, pki::prepare(profile, fields, authority_->ca, now));
  TRY_VOID(ledger_.record_intent({.serial = fields.serial,
                                  .serial_id = serial_id,
                                  .spki = crypto::sha256(request.public_key.spki()),
                                  .time = now}));
  TRY(const auto certificate, pki::issue(std::move(linted), *key_));
  const auto& head = ledger_.head();
  Issued issued{.entry = pki::next_entry(head.sequence, head.hash, serial_id, certificate, std::max(now, newest)),
                .certificate = to_bytes(certificate.der())};
  TRY_VOID(ledger_.record_issued(issued));
  return issued;
}

Result<pki::LedgerExport> Station::export_ledger(std::uint64_t after, std::size_t most) {
  if (!authority_) return fail(Errc::unauthorized, "station: found no permit: there is nothing to export");
  const auto& all = ledger_.issued();
  if (after >= all.size()) {
    return failf(Errc::not_found, "ledger: found {} entries, want more than {}", all.size(), after);
  }
  pki::LedgerExport ledger{
      .site = names_.site, .permit_number = authority_->permit.number, .exported_at = clock_.now()};
  const std::size_t count = std::min({all.size() - static_cast<std::size_t>(after), most, kMaxEntriesPerExport});
  for (const auto& each : std::span(all).subspan(static_cast<std::size_t>(after), count)) {
    ledger.entries.push_back(each.entry);
    ledger.certificates.push_back(each.certificate);
  }
  TRY_VOID(pki::sign_ledger_export(ledger, *key_));
  return ledger;
}

std::optional<pki::Certificate> Station::ca() const {
  if (!authority_) return std::nullopt;
  return authority_->ca;
}

std::optional<pki::Certificate> Station::root() const {
  if (!authority_) return std::nullopt;
  return authority_->root;
}

StationStatus Station::status() const {
  StationStatus status{
      .site = names_.site, .name_space = name_space_, .head = ledger_.head(), .voided = ledger_.voided()};
  if (authority_) {
    status.permit = authority_->permit;
    status.ca_validity = authority_->ca.validity();
  }
  return status;
}

}  // namespace sallyport::factory
