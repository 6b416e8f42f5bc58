#include "pki/caa.h"

#include <algorithm>

namespace sallyport::pki {
namespace {

constexpr std::uint8_t kCritical = 0x80;
constexpr std::string_view kIssue = "issue";
constexpr std::string_view kIssueWild = "issuewild";
constexpr std::string_view kAccount = "accounturi";
constexpr std::string_view kMethods = "validationmethods";
constexpr std::string_view kByDns = "dns-01";

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string small_letters(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// A tag: letters, digits and, within it, hyphens.
bool is_tag(std::string_view text) {
  return !text.empty() && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

Result<CaaIssuer::Parameter> parse_parameter(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return fail(Errc::malformed, "CAA: found a parameter without =, want one");
  const std::string_view tag = without_blanks(text.substr(0, equals));
  const std::string_view value = without_blanks(text.substr(equals + 1));
  if (!is_tag(tag)) return fail(Errc::malformed, "CAA: found a parameter whose name is none, want letters and digits");
  if (!std::ranges::all_of(value, [](char c) { return c > ' ' && c < 0x7f; }))
    return fail(Errc::malformed, "CAA: found a blank in the value of a parameter, want none");
  return CaaIssuer::Parameter{.tag = small_letters(tag), .value = std::string(value)};
}

// The one value of a parameter; a sentence's end when it is not there once.
Result<std::string> the_one(const CaaIssuer& issuer, std::string_view tag) {
  std::optional<std::string> found;
  for (const auto& each : issuer.parameters) {
    if (each.tag != tag) continue;
    if (found) return failf(Errc::conflict, "has {} more than once", tag);
    found = each.value;
  }
  if (!found) return failf(Errc::not_found, "has no {}", tag);
  return *std::move(found);
}

// What is wrong with an issuer that is named; nothing when it may issue for the account and by dns-01 alone.
std::optional<std::string> find_hole(const CaaIssuer& issuer, const std::optional<std::string>& account) {
  const auto bound = the_one(issuer, kAccount);
  if (!bound) return bound.error().detail;
  if (bound->empty()) return "has an empty accounturi";
  if (account && *bound != *account) return fmt::format("is for the account {}, want {}", *bound, *account);
  const auto methods = the_one(issuer, kMethods);
  if (!methods) return methods.error().detail;
  if (*methods != kByDns) return fmt::format("allows validation by {}, want {} alone", *methods, kByDns);
  return std::nullopt;
}

void look_at(const CaaRecord& record, const std::optional<std::string>& account, std::vector<std::string>& holes) {
  const auto issuer = parse_caa_issuer(record.value);
  // RFC 8659 §4.2: what cannot be read lets nobody issue.
  if (!issuer || issuer->domain.empty()) return;
  if (const auto hole = find_hole(*issuer, account)) holes.push_back(fmt::format("{} {}", record.text(), *hole));
}

}  // namespace

std::string CaaRecord::text() const {
  std::string quoted;
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return fmt::format("{} {} \"{}\"", is_critical ? 128 : 0, tag, quoted);
}

Result<CaaRecord> parse_caa_record(ByteView rdata) {
  if (rdata.size() < 2) return failf(Errc::malformed, "CAA: found {} octets, want flags and a tag", rdata.size());
  const std::size_t length = rdata[1];
  if (length == 0 || length > kMaxCaaTag || length > rdata.size() - 2)
    return failf(Errc::malformed, "CAA: found a tag of {} octets, want 1 to {}", length, kMaxCaaTag);
  const std::string_view tag = as_text(rdata.subspan(2, length));
  if (!std::ranges::all_of(tag, is_alphanumeric))
    return fail(Errc::malformed, "CAA: found a tag that is none, want letters and digits");
  const std::string_view value = as_text(rdata.subspan(2 + length));
  if (value.size() > kMaxCaaValue)
    return failf(Errc::malformed, "CAA: found a value of {} octets, want {} or fewer", value.size(), kMaxCaaValue);
  if (!std::ranges::all_of(value, [](char c) { return c >= ' ' && c < 0x7f; }))
    return fail(Errc::malformed, "CAA: found a value that is no printable ASCII");
  return CaaRecord{.is_critical = (rdata[0] & kCritical) != 0, .tag = small_letters(tag), .value = std::string(value)};
}

Result<CaaIssuer> parse_caa_issuer(std::string_view value) {
  CaaIssuer issuer;
  const auto first_end = value.find(';');
  issuer.domain = small_letters(without_blanks(value.substr(0, first_end)));
  const bool is_name =
      std::ranges::all_of(issuer.domain, [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
  if (!is_name) return fail(Errc::malformed, "CAA: found an issuer that is no domain name");
  std::string_view rest = first_end == std::string_view::npos ? std::string_view() : value.substr(first_end + 1);
  while (!rest.empty()) {
    const auto end = rest.find(';');
    const std::string_view text = without_blanks(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (text.empty()) continue;
    if (issuer.parameters.size() == kMaxCaaParameters)
      return failf(Errc::malformed, "CAA: found more than {} parameters", kMaxCaaParameters);
    TRY(auto parameter, parse_parameter(text));
    issuer.parameters.push_back(std::move(parameter));
  }
  return issuer;
}

std::vector<std::string> find_caa_holes(std::span<const CaaRecord> records, const std::optional<std::string>& account) {
  std::vector<std::string> holes;
  bool is_restricted = false;
  for (const CaaRecord& record : records) {
    if (record.tag != kIssue && record.tag != kIssueWild) continue;
    is_restricted = is_restricted || record.tag == kIssue;
    look_at(record, account, holes);
  }
  if (!is_restricted) holes.emplace_back("no record has the tag issue, so every CA may issue");
  return holes;
}

}  // namespace sallyport::pki
