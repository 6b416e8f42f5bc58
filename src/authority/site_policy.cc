#include "authority/site_policy.h"

#include <utility>

namespace sallyport::authority {
namespace {

std::string value_name(const SiteName& site) {
  return "site-policy/" + site.get();
}

}  // namespace

std::string_view to_string(Replace replace) {
  return replace == Replace::optional ? "optional" : "required";
}

Result<Replace> replace_from(std::string_view text) {
  for (const Replace each : {Replace::required, Replace::optional}) {
    if (text == to_string(each)) return each;
  }
  return failf(Errc::malformed, "replace: found {}, want required or optional", text);
}

Result<SitePolicy> find_site_policy(records::Records& records, const SiteName& site) {
  TRY(const auto value, records.find_value(value_name(site)));
  if (!value) return SitePolicy{};
  Reader reader(*value);
  TRY(const auto replace, reader.u8());
  TRY_VOID(reader.finish("site policy"));
  if (replace != std::to_underlying(Replace::required) && replace != std::to_underlying(Replace::optional))
    return failf(Errc::malformed, "site policy: replace {}, want 1 or 2", replace);
  return SitePolicy{.replace = static_cast<Replace>(replace)};
}

Result<void> put_site_policy(records::Records& records, const SiteName& site, const SitePolicy& policy) {
  return records.put_value(value_name(site), Writer().u8(std::to_underlying(policy.replace)).view());
}

}  // namespace sallyport::authority
