#include "white_list.h"

#include <array>

namespace sallyport::cli {
namespace {

constexpr std::size_t kLeastDigits = 4;
constexpr int kPage = 1'000;

// Empty when it is not hexadecimal.
std::string digits_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == ' ') continue;
    const char low = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!((low >= '0' && low <= '9') || (low >= 'a' && low <= 'f'))) return {};
    out += low;
  }
  return out;
}

}  // namespace

Try<WhiteListFacts> read_white_list(const Arguments& arguments, Environment& environment, const std::string& site,
                                    const std::function<void(const codec::Json&)>& take) {
  codec::Json after;
  for (;;) {
    const codec::Json::Object order{{"name", site}, {"limit", kPage}, {"after", after}};
    CLI_TRY(const auto page, administer(arguments.path("state"), "site.white_list", order, environment));
    TRY(const auto listed, page.at("devices"));
    TRY(const auto devices, listed.array());
    for (const auto& device : devices) take(device);
    TRY(after, page.at("next"));
    if (!after.is_null()) continue;
    WhiteListFacts facts;
    TRY(facts.ca, page.text_at("ca"));
    TRY(facts.permit, page.text_at("permit"));
    TRY(const auto sequence, page.integer_at("ledger_sequence"));
    facts.sequence = static_cast<std::uint64_t>(sequence);
    TRY(facts.head, page.text_at("ledger_head"));
    return facts;
  }
}

bool is_sought(const codec::Json& device, std::string_view text) {
  for (const std::string_view key : {"serial_id", "name"}) {
    const auto value = device.text_at(key);
    if (value && value->starts_with(text)) return true;
  }
  const std::string digits = digits_of(text);
  if (digits.size() < kLeastDigits) return false;
  for (const std::string_view key : {"certificate_serial", "certificate_sha256", "key_sha256"}) {
    const auto value = device.text_at(key);
    if (value && value->starts_with(digits)) return true;
  }
  return false;
}

}  // namespace sallyport::cli
