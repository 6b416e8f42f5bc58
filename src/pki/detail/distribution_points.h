// Distribution points of certificates and CRLs (RFC 5280 §4.2.1.13, §5.2.5).
#pragma once

#include "pki/extensions.h"

namespace sallyport::pki::detail {

// Reads cRLDistributionPoints: the points, and the URIs in them. Errc::malformed on none, an empty one, one that names
// neither itself nor a CRL issuer, over kMaxDistributionPoints.
Result<void> read_distribution_points(ByteView value, Extensions& out);

// Reads the content of a DistributionPointName.
Result<DistributionPointName> read_distribution_point_name(ByteView content);
// The content of an implicitly tagged ReasonFlags, as its bits; at least one.
Result<std::uint32_t> read_reasons(ByteView content);

Result<void> add_url(std::vector<std::string>& urls, std::string_view url);

}  // namespace sallyport::pki::detail
