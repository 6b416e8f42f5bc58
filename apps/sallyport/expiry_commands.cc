// sallyport cert expiring, sallyport metrics: what of an installation ends when, for people and for monitors.
#include <array>
#include <charconv>

#include "administration.h"
#include "commands.h"
#include "expiry_text.h"
#include "json_output.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::uint64_t kMostDays = 36'500;
constexpr std::uint64_t kDaysOfAWeek = 7;

// "30d", "8w"; a bare number is of days.
Result<std::int64_t> parse_days(std::string_view text) {
  const bool weeks = text.ends_with('w');
  std::string_view digits = text;
  if (weeks || text.ends_with('d')) digits.remove_suffix(1);
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  const std::uint64_t days = count <= kMostDays && weeks ? count * kDaysOfAWeek : count;
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || days > kMostDays)
    return failf(Errc::malformed, "--within: found '{}', want a number of days or weeks, such as 30d or 8w", text);
  return static_cast<std::int64_t>(days);
}

// The rows of the one table: links first, then devices, each with the soonest end first.
Result<Json::Array> rows_of(const Json& expiry, std::int64_t days) {
  TRY(const auto now_text, expiry.text_at("now"));
  TRY(const auto now, parse_iso8601(now_text));
  TRY(const auto listed, expiry.at("links"));
  TRY(const auto links, listed.array());
  Json::Array rows;
  for (const Json& link : links) {
    TRY(const auto until_text, link.text_at("not_after"));
    TRY(const auto until, parse_iso8601(until_text));
    TRY(const auto stage, link.text_at("stage"));
    if (until - now > days * kDay && stage == "in-time") continue;
    TRY(auto row, link.object());
    row.emplace("left", left_text(until - now));
    if (stage == "in-time") row.insert_or_assign("remedy", "nothing");
    rows.emplace_back(std::move(row));
  }
  for (const std::string_view kind : {"operational", "web"}) {
    TRY(const auto devices, expiry.at(kind));
    TRY(const auto ending, devices.at("ending"));
    TRY(const auto each_of, ending.array());
    for (const Json& device : each_of) {
      TRY(const auto name, device.text_at("device"));
      TRY(const auto until_text, device.text_at("not_after"));
      TRY(const auto until, parse_iso8601(until_text));
      TRY(auto row, device.object());
      row.emplace("kind", fmt::format("device {}", kind));
      row.emplace("name", name);
      row.emplace("left", left_text(until - now));
      row.emplace("remedy", "the device renews it when it is online");
      rows.emplace_back(std::move(row));
    }
  }
  return rows;
}

Outcome cert_expiring(const Arguments& arguments, Environment& environment) {
  TRY(const auto days, parse_days(arguments.text("within")));
  CLI_TRY(const auto expiry,
          administer(arguments.path("state"), "pki.expiry", Json::Object{{"within_days", days}}, environment));
  TRY(const auto rows, rows_of(expiry, days));
  if (arguments.flag("json")) {
    TRY(auto out, expiry.object());
    out.emplace("expiring", rows);
    print_json(Json(std::move(out)));
    return {};
  }
  if (rows.empty()) {
    fmt::print("nothing ends within {} days\n", days);
    return {};
  }
  constexpr std::array kColumns = {Column{"LEFT", "left"}, Column{"STAGE", "stage"},     Column{"KIND", "kind"},
                                   Column{"NAME", "name"}, Column{"UNTIL", "not_after"}, Column{"NEXT", "remedy"}};
  print_table(rows, kColumns);
  return {};
}

Outcome metrics(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto answer, administer(arguments.path("state"), "metrics.show", Json::Object{}, environment));
  TRY(const auto text, answer.text_at("text"));
  if (arguments.flag("json")) {
    print_json(answer);
  } else {
    fmt::print("{}", text);
  }
  return {};
}

}  // namespace

std::string left_text(seconds left) {
  if (left < seconds(0)) return fmt::format("-{}", left_text(-left));
  if (left < 2 * kDay) return fmt::format("{} h", left / hours(1));
  return fmt::format("{} d", left / kDay);
}

std::vector<Command> expiry_commands() {
  return {
      {.words = "cert expiring",
       .summary = "show what ends soon, or should have been renewed by now: CAs, root CRL, signers, permits, devices",
       .example = "sallyport cert expiring --within 30d --state /var/lib/sallyport",
       .options = {{.name = "within",
                    .value = "TIME",
                    .help = "days or weeks, such as 30d or 8w; what is due is shown however long it lasts",
                    .fallback = "30d"},
                   state_option(),
                   json_option()},
       .run = cert_expiring},
      {.words = "metrics",
       .summary = "print the figures of the installation in Prometheus text format",
       .example = "sallyport metrics --state /var/lib/sallyport",
       .options = {state_option(), json_option()},
       .run = metrics},
  };
}

}  // namespace sallyport::cli
