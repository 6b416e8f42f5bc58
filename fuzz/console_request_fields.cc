// What browsers send to the console's API: the first byte chooses body or query.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "console/request_fields.h"

namespace {

using sallyport::console::Field;
using sallyport::console::FieldKind;

constexpr std::array kFields = {Field{.name = "alias", .required = true, .least = 1, .most = 120},
                                Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 5'000},
                                Field{.name = "enabled", .kind = FieldKind::boolean}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const sallyport::ByteView input(data + 1, size - 1);
  const auto members = (data[0] & 1U) == 0 ? sallyport::console::parse_body(input, kFields)
                                           : sallyport::console::parse_query(sallyport::as_text(input), kFields);
  if (!members) return 0;
  // What was accepted holds every rule.
  const auto alias = members->find("alias");
  if (alias == members->end() || alias->second.text().value_or("").empty()) std::abort();
  if (alias->second.text()->size() > 120 || members->size() > kFields.size()) std::abort();
  const auto limit = members->find("limit");
  if (limit != members->end() && (limit->second.integer().value_or(0) < 1 || *limit->second.integer() > 5'000))
    std::abort();
  const auto enabled = members->find("enabled");
  if (enabled != members->end() && !enabled->second.boolean()) std::abort();
  return 0;
}
