#include "console/static_files.h"

#include <algorithm>

namespace sallyport::console {
namespace {

constexpr std::string_view kImmutable = "public, max-age=31536000, immutable";
constexpr std::string_view kRevalidate = "no-cache";

// The compressed form is another representation and needs a tag of its own (RFC 9110 §8.8.3).
std::string gzip_tag(std::string_view etag) {
  return std::string(etag.substr(0, etag.size() - 1)) + "-gzip\"";
}

bool is_known_to_client(const http::Request& request, std::string_view etag) {
  const http::Headers& headers = request.headers;
  return headers.lists("If-None-Match", etag) || headers.lists("If-None-Match", "W/" + std::string(etag)) ||
         headers.get("If-None-Match") == "*";
}

http::Response answer_asset(const http::Request& request, const WebAsset& asset) {
  const bool compressed = !asset.gzip.empty() && request.headers.lists("Accept-Encoding", "gzip");
  const std::string etag = compressed ? gzip_tag(asset.etag) : std::string(asset.etag);
  http::Response response;
  response.headers.set("ETag", etag);
  response.headers.set("Cache-Control", asset.immutable ? kImmutable : kRevalidate);
  if (!asset.gzip.empty()) response.headers.set("Vary", "Accept-Encoding");
  if (is_known_to_client(request, etag)) {
    response.status = 304;
    return response;
  }
  response.headers.set("Content-Type", asset.content_type);
  if (compressed) response.headers.set("Content-Encoding", "gzip");
  response.body = to_bytes(compressed ? asset.gzip : asset.bytes);
  return response;
}

net::Task<http::Response> serve_asset(http::Request request, const WebAsset* asset) {
  co_return answer_asset(request, *asset);
}

}  // namespace

void add_static_files(http::Router& router, std::span<const WebAsset> assets) {
  const auto serve = [&router](std::string_view pattern, const WebAsset& asset) {
    router.add("GET", pattern,
               [kept = &asset](http::Request request, net::PeerInfo) { return serve_asset(std::move(request), kept); });
  };
  for (const WebAsset& asset : assets) serve(asset.path, asset);
  const auto index = std::ranges::find(assets, std::string_view("/index.html"), &WebAsset::path);
  SALLYPORT_CHECK(index != assets.end());
  serve("/{rest...}", *index);
}

std::string https_origin(std::string_view host, std::uint16_t port) {
  return port == 443 ? fmt::format("https://{}", host) : fmt::format("https://{}:{}", host, port);
}

http::Headers strict_headers(const DnsName& zone) {
  const std::string policy = fmt::format(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
      "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self' {}; frame-ancestors 'none'",
      fmt::format("https://*.{}:*", zone.get()));
  return {{"Cache-Control", "no-store"},
          {"Content-Security-Policy", policy},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Referrer-Policy", "strict-origin"},
          {"X-Content-Type-Options", "nosniff"},
          {"Strict-Transport-Security", "max-age=31536000"},
          {"Permissions-Policy",
           "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
           "microphone=(), midi=(), payment=(), usb=()"}};
}

}  // namespace sallyport::console
