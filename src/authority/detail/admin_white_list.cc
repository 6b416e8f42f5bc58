#include "authority/detail/admin_methods.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "pki/certificate.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::DeviceRecord;
using records::Records;

constexpr std::size_t kDefaultPage = 100;

Result<Json> entry_json(Records& records, const DeviceRecord& device) {
  TRY(const auto certificate,
      records.certificates().find(records::local_ca_name(device.site.get()), device.factory_serial));
  Json fingerprint;
  if (certificate && !certificate->der.empty()) fingerprint = codec::encode_hex(crypto::sha256(certificate->der));
  return Json(Json::Object{{"serial_id", device.serial_id.get()},
                           {"state", records::to_string(device.state)},
                           {"name", device.name ? Json(device.name->get()) : Json()},
                           {"certificate_serial", codec::encode_hex(device.factory_serial.get())},
                           {"certificate_sha256", std::move(fingerprint)},
                           {"key_sha256", codec::encode_hex(device.factory_spki_sha256)},
                           {"created", to_iso8601(device.created)}});
}

// What the white-list was made under: enough to judge any ledger of the site by.
Json::Object site_facts(const records::SiteRecord& site) {
  return {{"site", site.name.get()},
          {"ca", codec::encode_base64(site.ca_certificate)},
          {"permit", codec::encode_base64(site.permit)},
          {"ledger_sequence", site.ledger_sequence},
          {"ledger_head", codec::encode_hex(site.ledger_head)}};
}

struct Page {
  SiteName site;
  std::size_t limit = kDefaultPage;
  DeviceRecord after;  // site and serial id alone
};

Result<Page> parse_page(const Json& parameters) {
  TRY_VOID(parameters.only_keys({"name", "limit", "after"}));
  Page page;
  TRY(const auto name, parameters.text_at("name"));
  TRY(page.site, parse_site_name(name));
  page.after.site = page.site;
  if (const Json* given = parameters.find("limit")) {
    TRY(const auto limit, given->integer());
    if (limit < 1 || limit > static_cast<std::int64_t>(kMaxWhiteListPage))
      return failf(Errc::malformed, "limit: found {}, want 1 to {}", limit, kMaxWhiteListPage);
    page.limit = static_cast<std::size_t>(limit);
  }
  if (const Json* given = parameters.find("after"); given != nullptr && !given->is_null()) {
    TRY(const auto after, given->text());
    TRY(page.after.serial_id, parse_serial_id(after));
  }
  return page;
}

}  // namespace

AdminAnswer site_white_list(AdminCall call) {
  CO_TRY(const auto page, parse_page(call.parameters));
  Json::Object out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(const auto site, records.sites().find(page.site));
    if (!site) return failf(Errc::not_found, "site {}: there is none", page.site.get());
    out = site_facts(*site);
    TRY(const auto found, records.devices().list({}, page.limit, page.after));
    Json::Array devices;
    Json next;
    for (const DeviceRecord& device : found) {
      if (device.site != page.site) break;
      TRY(auto shown, entry_json(records, device));
      devices.push_back(std::move(shown));
    }
    if (devices.size() == page.limit) next = found.back().serial_id.get();
    out["devices"] = std::move(devices);
    out["next"] = std::move(next);
    return {};
  }));
  co_return Json(std::move(out));
}

}  // namespace sallyport::authority
