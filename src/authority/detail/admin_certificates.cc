// Which certificate is that: found by serial number, fingerprint or name.
#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <tuple>

#include "authority/admin_json.h"
#include "authority/detail/admin_methods.h"
#include "authority/issuance.h"
#include "codec/text.h"
#include "pki/certificate.h"
#include "tlog/entry.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::CaName;
using records::CertificateKind;
using records::CertificateRecord;
using records::Records;

constexpr std::size_t kMaxFound = 100;
constexpr std::size_t kMaxQuery = 256;
constexpr std::size_t kMaxSerial = 20;
constexpr std::array kKinds = {CertificateKind::ca,     CertificateKind::factory, CertificateKind::operational,
                               CertificateKind::web,    CertificateKind::server,  CertificateKind::role,
                               CertificateKind::person, CertificateKind::control, CertificateKind::ocsp_signer};

// Whatever a person copied from: "4C:1F:0E", "4c1f 0e6d". Absent when it is no hexadecimal number.
std::optional<Bytes> octets_of(std::string_view query) {
  std::string digits;
  for (const char c : query) {
    if (c == ':' || c == ' ' || c == '-') continue;
    digits += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  auto octets = codec::decode_hex(digits);
  if (!octets || octets->empty()) return std::nullopt;
  return *std::move(octets);
}

// What was found, each certificate once.
class Findings {
 public:
  void add(CertificateRecord record) {
    if (record.state == records::CertificateState::intent || record.der.empty()) return;
    if (!seen_.emplace(record.ca, record.serial).second) return;
    found_.push_back(std::move(record));
  }
  void add(std::vector<CertificateRecord> records) {
    for (CertificateRecord& record : records) add(std::move(record));
  }
  std::vector<CertificateRecord>& newest_first() {
    std::ranges::sort(found_, std::ranges::greater(),
                      [](const CertificateRecord& each) { return std::tuple(each.recorded_at, each.ca, each.serial); });
    return found_;
  }

 private:
  std::vector<CertificateRecord> found_;
  std::set<std::pair<CaName, records::CertificateSerial>> seen_;
};

Result<void> find_serial(Records& records, const Bytes& serial, Findings& findings) {
  std::vector<CaName> cas = records::online_ca_names();
  cas.emplace_back("root");
  TRY(const auto sites, records.sites().list());
  for (const auto& site : sites) cas.push_back(records::local_ca_name(site.name.get()));
  for (const CaName& ca : cas) {
    TRY(auto found, records.certificates().find(ca, records::CertificateSerial(serial)));
    if (found) findings.add(*std::move(found));
  }
  return {};
}

// Of the certificate, which the log has by its hash; or of its key.
Result<void> find_fingerprint(Records& records, const Bytes& octets, Findings& findings) {
  records::Digest digest;
  std::ranges::copy(octets, digest.begin());
  for (const CertificateKind kind : kKinds) {
    TRY(auto found, records.certificates().list_by_spki(kind, digest));
    findings.add(std::move(found));
  }
  TRY(const auto index, records.log().find_certificate(digest));
  if (!index) return {};
  TRY(const auto entries, records.log().entries(*index, 1));
  TRY(const auto entry, tlog::parse_log_entry(entries.at(0)));
  const auto* logged = std::get_if<tlog::CertificateEntry>(&entry.what);
  if (logged == nullptr) return failf(Errc::internal, "log: entry {} is of no certificate", *index);
  TRY(const auto certificate, pki::parse_certificate(logged->der));
  TRY(auto found, records.certificates().find(CaName(logged->ca), to_record_serial(certificate.serial())));
  if (found) findings.add(*std::move(found));
  return {};
}

Result<void> find_subject(Records& records, std::string_view subject, Findings& findings) {
  for (const CertificateKind kind : kKinds) {
    TRY(auto found, records.certificates().list_by_subject(kind, subject));
    findings.add(std::move(found));
  }
  return {};
}

// A device's serial id stands for all its certificates.
Result<void> find_serial_id(Records& records, std::string_view text, Findings& findings) {
  const auto serial_id = parse_serial_id(text);
  if (!serial_id) return {};
  TRY(const auto devices, records.devices().find_by_serial_id(*serial_id));
  for (const auto& device : devices) {
    TRY_VOID(find_subject(records, device.serial_id.get() + "." + device.site.get(), findings));
    if (device.name) TRY_VOID(find_subject(records, device.name->get(), findings));
  }
  return {};
}

// The device that it is of, for a link to its page.
Result<Json> device_of(Records& records, const CertificateRecord& record) {
  if (record.kind == CertificateKind::operational || record.kind == CertificateKind::web) return Json(record.subject);
  if (record.kind != CertificateKind::factory) return Json();
  const auto dot = record.subject.find('.');
  const auto serial_id = parse_serial_id(std::string_view(record.subject).substr(0, dot));
  const auto site = records::site_of(record.ca);
  if (!serial_id || !site) return Json();
  const auto name = parse_site_name(*site);
  if (!name) return Json();
  TRY(const auto device, records.devices().find(*name, *serial_id));
  return device && device->name ? Json(device->name->get()) : Json();
}

Result<Json> search(Records& records, std::string_view query) {
  Findings findings;
  TRY_VOID(find_subject(records, query, findings));
  TRY_VOID(find_serial_id(records, query, findings));
  const auto octets = octets_of(query);
  if (octets && octets->size() <= kMaxSerial) TRY_VOID(find_serial(records, *octets, findings));
  if (octets && octets->size() == records::Digest().size()) TRY_VOID(find_fingerprint(records, *octets, findings));
  Json::Array shown;
  const auto& found = findings.newest_first();
  for (const CertificateRecord& record : found) {
    if (shown.size() == kMaxFound) break;
    TRY(auto each, certificate_json(record).object());
    TRY(auto device, device_of(records, record));
    each.emplace("device", std::move(device));
    shown.emplace_back(std::move(each));
  }
  return Json(Json::Object{{"certificates", std::move(shown)}, {"found", std::uint64_t{found.size()}}});
}

}  // namespace

AdminAnswer certificate_find(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"query"}));
  CO_TRY(const auto query, call.parameters.text_at("query"));
  if (query.empty() || query.size() > kMaxQuery)
    co_return failf(Errc::malformed, "query: found {} bytes, want 1 to {}", query.size(), kMaxQuery);
  Json out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(out, search(records, query));
    return {};
  }));
  co_return out;
}

}  // namespace sallyport::authority
