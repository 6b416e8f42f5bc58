#include "http/message.h"

#include <algorithm>
#include <array>

#include "codec/text.h"

namespace sallyport::http {
namespace {

struct Reason {
  unsigned status;
  std::string_view phrase;
};
constexpr auto kReasons = std::to_array<Reason>({{100, "Continue"},
                                                 {101, "Switching Protocols"},
                                                 {200, "OK"},
                                                 {201, "Created"},
                                                 {202, "Accepted"},
                                                 {204, "No Content"},
                                                 {206, "Partial Content"},
                                                 {301, "Moved Permanently"},
                                                 {302, "Found"},
                                                 {303, "See Other"},
                                                 {304, "Not Modified"},
                                                 {307, "Temporary Redirect"},
                                                 {308, "Permanent Redirect"},
                                                 {400, "Bad Request"},
                                                 {401, "Unauthorized"},
                                                 {403, "Forbidden"},
                                                 {404, "Not Found"},
                                                 {405, "Method Not Allowed"},
                                                 {408, "Request Timeout"},
                                                 {409, "Conflict"},
                                                 {410, "Gone"},
                                                 {411, "Length Required"},
                                                 {413, "Content Too Large"},
                                                 {415, "Unsupported Media Type"},
                                                 {421, "Misdirected Request"},
                                                 {422, "Unprocessable Content"},
                                                 {429, "Too Many Requests"},
                                                 {431, "Request Header Fields Too Large"},
                                                 {500, "Internal Server Error"},
                                                 {501, "Not Implemented"},
                                                 {502, "Bad Gateway"},
                                                 {503, "Service Unavailable"},
                                                 {504, "Gateway Timeout"}});

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Calls `visit` with each trimmed part of `text` until it returns true; returns whether it did.
template <class Visit>
bool any_part(std::string_view text, char separator, Visit visit) {
  while (true) {
    const auto end = text.find(separator);
    if (visit(trim(text.substr(0, end)))) return true;
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

void Headers::add(std::string_view name, std::string_view value) {
  fields_.push_back({std::string(name), std::string(value)});
}

void Headers::set(std::string_view name, std::string_view value) {
  const Field field{std::string(name), std::string(value)};  // `value` may be borrowed from what is removed
  remove(field.name);
  fields_.push_back(field);
}

void Headers::remove(std::string_view name) {
  const std::string wanted(name);
  std::erase_if(fields_, [&](const Field& field) { return equal_ignoring_case(field.name, wanted); });
}

bool Headers::has(std::string_view name) const {
  return find(name).has_value();
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& field : fields_) {
    if (equal_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& field : fields_) {
    if (equal_ignoring_case(field.name, name)) values.push_back(field.value);
  }
  return values;
}

bool Headers::lists(std::string_view name, std::string_view element) const {
  return std::ranges::any_of(all(name), [&](std::string_view value) {
    return any_part(value, ',', [&](std::string_view part) { return equal_ignoring_case(part, element); });
  });
}

std::string_view Request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view Request::query() const {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view{} : std::string_view(target).substr(mark + 1);
}

std::optional<std::string> Request::query_param(std::string_view name) const {
  auto fields = parse_form(query());
  if (!fields) return std::nullopt;
  for (auto& [key, value] : *fields) {
    if (key == name) return std::move(value);
  }
  return std::nullopt;
}

const std::string& Request::param(std::string_view name) const {
  const auto found = params.find(name);
  SALLYPORT_CHECK(found != params.end());
  return found->second;
}

std::optional<std::string_view> Request::cookie(std::string_view name) const {
  std::optional<std::string_view> value;
  for (const auto line : headers.all("Cookie")) {
    any_part(line, ';', [&](std::string_view pair) {
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) return false;
      value = pair.substr(equals + 1);
      return true;
    });
    if (value) break;
  }
  return value;
}

Response Response::text(std::string_view body, std::string_view type, unsigned status) {
  return bytes(to_bytes(body), type, status);
}

Response Response::bytes(Bytes body, std::string_view type, unsigned status) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", type);
  response.body = std::move(body);
  return response;
}

Response Response::error(unsigned status, std::string_view sentence) {
  return text(fmt::format("{}\n", sentence.empty() ? reason_phrase(status) : sentence), "text/plain; charset=utf-8",
              status);
}

unsigned status_of(Errc code) {
  switch (code) {
    case Errc::malformed:
      return 400;
    case Errc::unauthorized:
      return 403;
    case Errc::not_found:
      return 404;
    case Errc::expired:
      return 403;
    case Errc::conflict:
      return 409;
    case Errc::overloaded:
      return 429;
    case Errc::unavailable:
      return 503;
    case Errc::not_yet:
      return 202;
    case Errc::internal:
      return 500;
  }
  return 500;
}

Response response_of(const Error& error) {
  return Response::error(status_of(error.code));
}

std::string_view reason_phrase(unsigned status) {
  const auto* found = std::ranges::find(kReasons, status, &Reason::status);
  return found == kReasons.end() ? "Status" : found->phrase;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) c = ' ';
    if (c == '%') {
      const auto high = i + 2 < text.size() ? codec::hex_digit(text[i + 1]) : std::nullopt;
      const auto low = high ? codec::hex_digit(text[i + 2]) : std::nullopt;
      if (!low) return fail(Errc::malformed, "percent-encoding: '%' without two hex digits");
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    }
    if (c == '\0') return fail(Errc::malformed, "percent-encoding: NUL");
    out += c;
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kUnreserved = "-._~";
  std::string out;
  for (const char c : text) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
    if (alphanumeric || kUnreserved.contains(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_form(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> fields;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    if (fields.size() == kMaxFormFields) return failf(Errc::malformed, "form: more than {} fields", kMaxFormFields);
    const auto equals = pair.find('=');
    TRY(auto name, percent_decode(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      TRY(value, percent_decode(pair.substr(equals + 1), true));
    }
    fields.emplace_back(std::move(name), std::move(value));
  }
  return fields;
}

}  // namespace sallyport::http
