#include "pki/path.h"

#include <algorithm>

#include "codec/text.h"
#include "pki/detail/names.h"
#include "pki/detail/path_search.h"
#include "pki/detail/revocation.h"

namespace sallyport::pki {

Verdict<VerifiedPath> verify_path(const Certificate& leaf, const PathSource& source, const PathRules& rules,
                                  Work* work) {
  Work spent;
  const auto accept = [&](const std::vector<Certificate>& path) -> Verdict<void> {
    if (rules.host && !is_for_host(path.front(), *rules.host))
      return refuse(Reason::identity, "leaf: is not for the name asked for");
    return detail::check_revocation(path, source, rules, spent);
  };
  auto path = detail::PathSearch(leaf, source, rules, spent).run(accept, true);
  if (work != nullptr) *work = spent;
  if (!path) return std::unexpected(std::move(path).error());
  return VerifiedPath(*std::move(path));
}

bool is_for_host(const Certificate& certificate, const HostName& host) {
  const auto& names = certificate.extensions().alternative_names;
  if (!names) return false;
  if (const auto* address = std::get_if<IpAddress>(&host))
    return std::ranges::find(names->ip, *address) != names->ip.end();
  return std::ranges::any_of(names->dns, [&](const std::string& name) {
    return detail::matches_host(codec::lower_case(name), std::get<DnsName>(host).get());
  });
}

}  // namespace sallyport::pki
