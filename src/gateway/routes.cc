#include "gateway/routes.h"

#include "http/message.h"

namespace sallyport::gateway {

bool is_content_type(std::string_view field, std::string_view wanted) {
  const std::string_view type = field.substr(0, field.find(';'));
  const std::size_t end = type.find_last_not_of(" \t");
  return end != std::string_view::npos && http::equal_ignoring_case(type.substr(0, end + 1), wanted);
}

}  // namespace sallyport::gateway
