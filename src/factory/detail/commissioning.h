// What makes a site CA's certificate and a permit worth believing.
#pragma once

#include <string_view>

#include "base/names.h"
#include "pki/certificate.h"
#include "pki/permit.h"
#include "pki/time_rule.h"

namespace sallyport::factory {

// Parses a PEM text that holds exactly one certificate; errors name `what`.
Result<pki::Certificate> parse_one_certificate(std::string_view pem, std::string_view what);

// Checks that `root` signed `ca` and that it is a local CA of exactly `name_space`. Errc::unauthorized.
Result<void> check_site_ca(const pki::Certificate& ca, const pki::Certificate& root, const DnsName& name_space);

// Verifies the envelope up to `root`, then parses.
Result<pki::SitePermit> open_permit(ByteView sealed, const pki::Certificate& root, const pki::TimeRule& time);

// Errc::expired before the permit's begin and after its end.
Result<void> check_in_force(const pki::SitePermit& permit, UnixTime now);

}  // namespace sallyport::factory
