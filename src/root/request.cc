#include "root/request.h"

#include <algorithm>
#include <array>

#include "config/document.h"

namespace sallyport::root {
namespace {

constexpr std::string_view kLocalCaStem = "local-ca-";
constexpr std::array<std::string_view, 6> kOnlineCas{"online-ca", "server-ca", "web-ca",
                                                     "people-ca", "roles-ca",  "control-ca"};

// Reads an optional text that must satisfy `parse`.
template <class T>
Result<std::optional<T>> find_parsed(const config::Table& table, std::string_view key,
                                     Result<T> (*parse)(std::string_view)) {
  TRY(const auto text, table.find_text(key));
  if (!text) return std::nullopt;
  auto value = parse(*text);
  if (!value) return table.refuse(key, value.error().detail);
  return *std::move(value);
}

Result<std::vector<std::string>> permitted_names(pki::CaKind kind, const RequestFacts& facts) {
  const auto& zone = facts.zone;
  switch (kind) {
    case pki::CaKind::online:
    case pki::CaKind::web:
      return std::vector{zone.get()};
    case pki::CaKind::people:
      return std::vector{pki::people_namespace(zone).get()};
    case pki::CaKind::roles:
      return std::vector{pki::roles_namespace(zone).get()};
    case pki::CaKind::control:
      return std::vector<std::string>{};
    case pki::CaKind::server:
      if (!facts.console_name)
        return fail(Errc::malformed, "request.toml: found no console_name, want one for server-ca");
      return std::vector{under("gateway", zone).get(), under("relay", zone).get(), under("status", zone).get(),
                         facts.console_name->get()};
    case pki::CaKind::local:
      return std::vector{pki::factory_namespace(*facts.site, zone).get()};
    case pki::CaKind::root:
      break;
  }
  return fail(Errc::unauthorized, "request: found a root, want a CA below it");
}

}  // namespace

Result<RequestFacts> parse_request_facts(std::string_view toml, std::string_view display_name) {
  TRY(const auto document, config::Document::parse(toml, display_name));
  const auto& table = document.root();
  RequestFacts facts;
  TRY(facts.installation, table.find_text("installation"));
  TRY(const auto zone, table.text("zone"));
  auto parsed_zone = parse_dns_name(zone);
  if (!parsed_zone) return table.refuse("zone", parsed_zone.error().detail);
  facts.zone = *std::move(parsed_zone);
  TRY(facts.console_name, find_parsed<DnsName>(table, "console_name", &parse_dns_name));
  TRY(facts.site, find_parsed<SiteName>(table, "site", &parse_site_name));
  TRY(facts.crl_url, table.find_text("crl_url"));
  if (facts.crl_url && !facts.crl_url->starts_with("http://")) return table.refuse("crl_url", "want an http:// URL");
  TRY_VOID(document.finish());
  return facts;
}

Result<CaPlan> plan_ca(std::string_view file_stem, const RequestFacts& facts) {
  CaPlan plan{.ca_name = std::string(file_stem)};
  if (file_stem.starts_with(kLocalCaStem)) {
    TRY(const auto site, parse_site_name(file_stem.substr(kLocalCaStem.size())));
    if (facts.site != site)
      return fail(Errc::malformed, "request.toml: found another site or none, want the one in the file's name");
    plan.ca_name = "local-ca/" + site.get();
  } else if (std::ranges::find(kOnlineCas, file_stem) == kOnlineCas.end()) {
    return fail(Errc::unauthorized, "request: found a file name that is no CA below the root, such as server-ca.csr");
  }
  TRY(const auto kind, pki::ca_kind_of(plan.ca_name));
  plan.profile = pki::ca_profile_of(kind);
  TRY(plan.permitted_dns, permitted_names(kind, facts));
  return plan;
}

std::string file_stem_of(std::string_view ca_name) {
  std::string stem(ca_name);
  std::ranges::replace(stem, '/', '-');
  return stem;
}

}  // namespace sallyport::root
