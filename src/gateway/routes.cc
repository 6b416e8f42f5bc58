#include "gateway/routes.h"

#include <charconv>

namespace sallyport::gateway {

std::optional<http::Response> judge_head(const Route& route, const http::Request& head, bool has_certificate) {
  if (route.admission != Admission::anyone && !has_certificate)
    return http::Response::error(401, "want a client certificate");
  const auto types = head.headers.all("Content-Type");
  const bool is_right = types.size() == 1 && is_content_type(types.front(), route.content_type);
  if (!route.content_type.empty() && !is_right)
    return http::Response::error(415, "want Content-Type " + std::string(route.content_type));
  return std::nullopt;
}

std::size_t body_length(const http::Request& head) {
  const std::string_view text = head.headers.get("Content-Length");
  std::size_t length = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), length);
  return fault == std::errc() && end == text.data() + text.size() ? length : 0;
}

bool is_content_type(std::string_view field, std::string_view wanted) {
  const std::string_view type = field.substr(0, field.find(';'));
  const std::size_t end = type.find_last_not_of(" \t");
  return end != std::string_view::npos && http::equal_ignoring_case(type.substr(0, end + 1), wanted);
}

}  // namespace sallyport::gateway
