#include "console/request_fields.h"

#include <algorithm>
#include <charconv>

namespace sallyport::console {
namespace {

using codec::Json;

constexpr codec::JsonLimits kBodyLimits{.size = 64 * 1024, .depth = 4, .values = 512};

const Field* find_field(std::span<const Field> fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

Result<void> check_range(const Field& field, std::int64_t value, std::string_view unit) {
  if (value >= field.least && value <= field.most) return {};
  return failf(Errc::malformed, "invalid-request: {}: found {}{}, want {} to {}", field.name, value, unit, field.least,
               field.most);
}

Result<void> check_texts(const Field& field, const Json& value) {
  const auto list = value.array();
  if (!list) return failf(Errc::malformed, "invalid-request: {}: want an array of strings", field.name);
  for (const Json& element : *list) {
    const auto text = element.text();
    if (!text || text->size() > kMaxListedText)
      return failf(Errc::malformed, "invalid-request: {}: want strings of at most {} bytes", field.name,
                   kMaxListedText);
  }
  return check_range(field, static_cast<std::int64_t>(list->size()), " strings");
}

Result<void> check_value(const Field& field, const Json& value) {
  switch (field.kind) {
    case FieldKind::text: {
      const auto text = value.text();
      if (!text) return failf(Errc::malformed, "invalid-request: {}: want a string", field.name);
      return check_range(field, static_cast<std::int64_t>(text->size()), " bytes");
    }
    case FieldKind::integer: {
      const auto number = value.integer();
      if (!number) return failf(Errc::malformed, "invalid-request: {}: want an integer", field.name);
      return check_range(field, *number, "");
    }
    case FieldKind::texts:
      return check_texts(field, value);
    case FieldKind::boolean:
      if (!value.boolean()) return failf(Errc::malformed, "invalid-request: {}: want true or false", field.name);
      return {};
  }
  return fail(Errc::internal, "field: of no kind");
}

Result<void> check_members(const Json::Object& members, std::span<const Field> fields) {
  for (const auto& [name, value] : members) {
    const Field* field = find_field(fields, name);
    if (field == nullptr) return fail(Errc::malformed, "invalid-request: it has a member that is not known here");
    TRY_VOID(check_value(*field, value));
  }
  for (const Field& field : fields) {
    if (field.required && !members.contains(field.name)) {
      return failf(Errc::malformed, "invalid-request: {} is missing", field.name);
    }
  }
  return {};
}

Result<Json> query_value(const Field& field, const std::string& text) {
  if (field.kind != FieldKind::integer) return Json(text);  // a list is never of a query
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return failf(Errc::malformed, "invalid-request: {}: want an integer", field.name);
  }
  return Json(number);
}

}  // namespace

Result<Json::Object> parse_body(ByteView body, std::span<const Field> fields) {
  Json::Object members;
  if (!body.empty()) {
    const auto parsed = codec::parse_json(as_text(body), kBodyLimits);
    if (!parsed || !parsed->is_object()) return fail(Errc::malformed, "invalid-request: the body is no JSON object");
    TRY(members, parsed->object());
  }
  TRY_VOID(check_members(members, fields));
  return members;
}

Result<Json::Object> parse_query(std::string_view query, std::span<const Field> fields) {
  const auto form = http::parse_form(query);
  if (!form) return fail(Errc::malformed, "invalid-request: the query is not of the right form");
  Json::Object members;
  for (const auto& [name, text] : *form) {
    const Field* field = find_field(fields, name);
    if (field == nullptr) return fail(Errc::malformed, "invalid-request: the query has a name that is not known here");
    TRY(auto value, query_value(*field, text));
    if (!members.emplace(name, std::move(value)).second) {
      return failf(Errc::malformed, "invalid-request: {} is there twice", name);
    }
  }
  TRY_VOID(check_members(members, fields));
  return members;
}

}  // namespace sallyport::console
