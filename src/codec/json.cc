#include "codec/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "codec/json_text.h"

namespace sallyport::codec {
namespace {

template <class T, class Value>
Result<T> value_as(const Value& value, std::string_view want) {
  if (const T* const found = std::get_if<T>(&value)) return *found;
  return failf(Errc::malformed, "json: value of another type, want {}", want);
}

// The shortest text that reads back as the same double and is no integer.
void write_number(std::string& out, double value) {
  SALLYPORT_CHECK(std::isfinite(value));
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

template <class Range, class WriteOne>
void write_list(std::string& out, std::string_view brackets, const Range& range, WriteOne write_one) {
  out += brackets[0];
  bool first = true;
  for (const auto& item : range) {
    if (!first) out += ',';
    first = false;
    write_one(item);
  }
  out += brackets[1];
}

struct WriteValue {
  std::string& out;

  void operator()(std::nullptr_t) const { out += "null"; }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { out += std::to_string(value); }
  void operator()(double value) const { write_number(out, value); }
  void operator()(const std::string& value) const { write_json_text(out, value); }
  void operator()(const Json::Array& value) const {
    write_list(out, "[]", value, [this](const Json& item) { item.write_to(out); });
  }
  void operator()(const Json::Object& value) const {
    write_list(out, "{}", value, [this](const auto& member) {
      write_json_text(out, member.first);
      out += ':';
      member.second.write_to(out);
    });
  }
};

}  // namespace

void write_json_text(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  SALLYPORT_CHECK(is_utf8(text));
  out += '"';
  std::size_t plain = 0;  // from where nothing is to be escaped
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_quoted = byte == '"' || byte == '\\';
    if (byte >= 0x20 && byte != 0x7F && !is_quoted) continue;
    out += text.substr(plain, i - plain);
    plain = i + 1;
    if (is_quoted) {
      out += '\\';
      out += text[i];
    } else {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0x0FU];
    }
  }
  out += text.substr(plain);
  out += '"';
}

std::string for_terminal(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const unsigned char next = i + 1 < json.size() ? static_cast<unsigned char>(json[i + 1]) : 0;
    const bool is_c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;  // in UTF-8
    if (is_c1 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", is_c1 ? next : byte);
      i += is_c1 ? 1 : 0;
    } else {
      out += json[i];
    }
  }
  return out;
}

Result<bool> Json::boolean() const {
  return value_as<bool>(value_, "a boolean");
}
Result<std::int64_t> Json::integer() const {
  return value_as<std::int64_t>(value_, "an integer");
}
Result<double> Json::number() const {
  if (const auto* const whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
  return value_as<double>(value_, "a number");
}
Result<std::string> Json::text() const {
  return value_as<std::string>(value_, "text");
}
Result<Json::Array> Json::array() const {
  return value_as<Array>(value_, "an array");
}
Result<Json::Object> Json::object() const {
  return value_as<Object>(value_, "an object");
}

const Json* Json::find(std::string_view key) const {
  const auto* const members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  const auto found = members->find(key);
  return found == members->end() ? nullptr : &found->second;
}

namespace {

Result<const Json*> member_of(const Json& json, std::string_view key) {
  if (!json.is_object()) return failf(Errc::malformed, "json: no object, want one with \"{}\"", key);
  if (const Json* const found = json.find(key)) return found;
  return failf(Errc::malformed, "json: no member \"{}\"", key);
}

template <class T>
Result<T> named(std::string_view key, Result<T> result) {
  if (result) return result;
  return std::unexpected<Error>(std::move(result).error().at(key));
}

}  // namespace

Result<Json> Json::at(std::string_view key) const {
  TRY(const Json* const member, member_of(*this, key));
  return *member;
}

Result<std::string> Json::text_at(std::string_view key) const {
  TRY(const Json* const member, member_of(*this, key));
  return named(key, member->text());
}

Result<std::int64_t> Json::integer_at(std::string_view key) const {
  TRY(const Json* const member, member_of(*this, key));
  return named(key, member->integer());
}

Result<bool> Json::boolean_at(std::string_view key) const {
  TRY(const Json* const member, member_of(*this, key));
  return named(key, member->boolean());
}

Result<void> Json::only_keys(std::initializer_list<std::string_view> known) const {
  const auto* const members = std::get_if<Object>(&value_);
  if (members == nullptr) return fail(Errc::malformed, "json: value of another type, want an object");
  const auto unknown = std::ranges::find_if(*members, [&](const auto& member) {
    return std::ranges::find(known, std::string_view(member.first)) == known.end();
  });
  if (unknown == members->end()) return {};
  return failf(Errc::malformed, "json: unknown member of {} bytes among {}", unknown->first.size(), members->size());
}

void Json::write_to(std::string& out) const {
  std::visit(WriteValue{out}, value_);
}

std::string Json::write() const {
  std::string out;
  write_to(out);
  return out;
}

}  // namespace sallyport::codec
