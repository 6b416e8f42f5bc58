#include "http/router.h"

#include <fmt/ranges.h>
#include <algorithm>
#include <set>

namespace sallyport::http {
namespace {

bool is_param(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool is_rest(std::string_view segment) {
  return is_param(segment) && segment.ends_with("...}");
}

std::string param_name(std::string_view segment) {
  segment = segment.substr(1, segment.size() - 2);
  if (segment.ends_with("...")) segment.remove_suffix(3);
  return std::string(segment);
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (true) {
    const auto slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// The decoded segments; empty when an escape is broken, or a segment is "." or "..".
std::optional<std::vector<std::string>> decode_path(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  auto segments = split_path(path);
  for (auto& segment : segments) {
    auto decoded = percent_decode(segment);
    if (!decoded || *decoded == "." || *decoded == "..") return std::nullopt;
    segment = *std::move(decoded);
  }
  return segments;
}

using Params = std::map<std::string, std::string, std::less<>>;

std::optional<Params> match(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  Params params;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_rest(pattern[i])) {
      std::string rest;
      for (std::size_t j = i; j < path.size(); ++j) rest += (j > i ? "/" : "") + path[j];
      params.emplace(param_name(pattern[i]), std::move(rest));
      return params;
    }
    if (i >= path.size()) return std::nullopt;
    if (!is_param(pattern[i])) {
      if (pattern[i] != path[i]) return std::nullopt;
    } else if (path[i].empty()) {
      return std::nullopt;
    } else {
      params.emplace(param_name(pattern[i]), path[i]);
    }
  }
  if (path.size() != pattern.size()) return std::nullopt;
  return params;
}

// Literal before parameter before rest, segment by segment.
int rank(const std::string& segment) {
  if (is_rest(segment)) return 2;
  return is_param(segment) ? 1 : 0;
}

bool is_more_specific(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::lexicographical_compare(a, b, {}, rank, rank);
}

}  // namespace

Router& Router::add(std::string_view method, std::string_view pattern, Handler handler, RouteOptions options) {
  SALLYPORT_CHECK(pattern.starts_with('/') && handler != nullptr);
  Route route{std::string(method), split_path(pattern), std::move(handler), std::move(options)};
  for (std::size_t i = 0; i + 1 < route.segments.size(); ++i) SALLYPORT_CHECK(!is_rest(route.segments[i]));
  for (const auto& other : routes_) SALLYPORT_CHECK(other.method != route.method || other.segments != route.segments);
  const auto place = std::ranges::find_if(
      routes_, [&](const Route& other) { return is_more_specific(route.segments, other.segments); });
  routes_.insert(place, std::move(route));
  return *this;
}

std::variant<Router::Match, Response> Router::find(std::string_view method, std::string_view path) const {
  const auto segments = decode_path(path);
  if (!segments) return Response::error(400);
  const bool hides_slash =
      std::ranges::any_of(*segments, [](const std::string& segment) { return segment.contains('/'); });
  bool is_somewhere = false;
  const Route* found = nullptr;
  std::optional<Params> params;
  for (const auto& route : routes_) {
    if (hides_slash && !route.options.encoded_slashes) continue;
    const bool exact = route.method == method;
    const bool serves = exact || (method == "HEAD" && route.method == "GET" && found == nullptr);
    if (!serves && is_somewhere) continue;
    auto matched = match(route.segments, *segments);
    if (!matched) continue;
    is_somewhere = true;
    if (!serves) continue;
    found = &route;
    params = std::move(matched);
    if (exact) break;
  }
  if (found != nullptr) {
    return Match{.handler = &found->handler, .options = &found->options, .params = *std::move(params)};
  }
  if (is_somewhere) return method_not_allowed(*segments);
  return Response::error(hides_slash ? 400 : 404);
}

Response Router::method_not_allowed(const std::vector<std::string>& segments) const {
  std::set<std::string> allowed;
  for (const auto& route : routes_) {
    if (!match(route.segments, segments)) continue;
    allowed.insert(route.method);
    if (route.method == "GET") allowed.insert("HEAD");
  }
  auto refused = Response::error(405);
  refused.headers.add("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return refused;
}

}  // namespace sallyport::http
