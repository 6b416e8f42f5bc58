// The front end's files, and the headers under which a browser takes this site.
#pragma once

#include <cstdint>
#include <span>

#include "base/names.h"
#include "console/web_assets.h"
#include "http/router.h"

namespace sallyport::console {

// A route for each asset, and "/index.html" for every other path, which is a state of the page. Revalidated by ETag
// (RFC 9110 §13.1.2); compressed for who accepts gzip.
void add_static_files(http::Router& router, std::span<const WebAsset> assets);

// What every answer of the console carries unless it says otherwise: nothing but what this origin serves may run, load
// or frame it, and forms may go to device services of `zone` alone, at
// whatever port: that of a device which listens itself is its own matter.
http::Headers strict_headers(const DnsName& zone);

// "https://host", with the port unless it is 443.
std::string https_origin(std::string_view host, std::uint16_t port);

}  // namespace sallyport::console
