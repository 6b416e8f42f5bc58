#include "status_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/time.h"
#include "span_text.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

Result<Json::Array> array_at(const Json& object, std::string_view key) {
  TRY(const auto found, object.at(key));
  return found.array();
}

Result<UnixTime> time_at(const Json& object, std::string_view key) {
  TRY(const auto text, object.text_at(key));
  return parse_iso8601(text);
}

// "70 cached, 9 live"; "none" when nothing was counted.
Result<std::string> counts_text(const Json& host, std::string_view key) {
  TRY(const auto found, host.at(key));
  TRY(const auto counts, found.object());
  std::string out;
  for (const auto& [kind, count] : counts) {
    TRY(const auto number, count.integer());
    if (number == 0) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", number, kind);
  }
  return out.empty() ? "none" : out;
}

std::string_view state_words(std::string_view state) {
  if (state == "answering") return "answers";
  if (state == "without-lease") return "connected but without a lease: it answers nothing anew";
  return "not connected to the authority";
}

Result<std::string> snapshot_words(const Json& snapshot, UnixTime now) {
  TRY(const auto number, snapshot.integer_at("number"));
  TRY(const auto behind, snapshot.integer_at("behind"));
  const Json* known = snapshot.find("current_at");
  std::string current = "never known to be the newest";
  if (known != nullptr && !known->is_null()) {
    TRY(const auto at, time_at(snapshot, "current_at"));
    current = "known to be the newest " + when_text(at, now);
  }
  return fmt::format("{}, {}{}", number, current, behind > 0 ? fmt::format("; {} changes behind", behind) : "");
}

Result<void> print_host(const Json& host, UnixTime now) {
  TRY(const auto name, host.text_at("host"));
  TRY(const auto state, host.text_at("state"));
  TRY(const auto snapshot, host.at("snapshot"));
  TRY(const auto known, snapshot_words(snapshot, now));
  TRY(const auto answers, counts_text(host, "answers"));
  TRY(const auto refusals, counts_text(host, "refusals"));
  TRY(const auto since, time_at(host, "counting_since"));
  TRY(const auto reported, time_at(host, "reported_at"));
  fmt::print("host       {}: {}\n", shown(Json(name)), state_words(state));
  fmt::print("  snapshot {}\n  answers  {}\n  refusals {}\n", known, answers, refusals);
  fmt::print("  counted  since {}, told {}\n", to_iso8601(since), when_text(reported, now));
  TRY(const auto missing, array_at(host, "missing_signers"));
  for (const Json& ca : missing)
    fmt::print("  missing  a signer for {}: nothing is answered about its certificates\n", shown(ca));
  return {};
}

// Rows of "host", "ca", "until", "left", "next".
Result<void> add_signers(const Json& host, UnixTime now, Json::Array& rows) {
  TRY(const auto name, host.text_at("host"));
  TRY(const auto signers, array_at(host, "signers"));
  for (const Json& signer : signers) {
    TRY(auto row, signer.object());
    TRY(const auto until, time_at(signer, "not_after"));
    TRY(const auto renews, time_at(signer, "renews_at"));
    row.emplace("host", name);
    row.emplace("left", until < now ? "ended" : span_text(until - now));
    row.emplace("next", when_text(renews, now));
    rows.emplace_back(std::move(row));
  }
  return {};
}

Result<void> print_root_crl(const Json& crl, UnixTime now) {
  TRY(const auto name, crl.text_at("name"));
  TRY(const auto number, crl.integer_at("number"));
  TRY(const auto until, time_at(crl, "next_update"));
  TRY(const auto stage, crl.text_at("stage"));
  TRY(const auto remedy, crl.text_at("remedy"));
  fmt::print("{:<10} CRL number {}, until {} ({}){}{}\n", shown(Json(name)), number, to_iso8601(until),
             when_text(until, now), stage == "in-time" ? "" : ": " + stage + "; ", stage == "in-time" ? "" : remedy);
  return {};
}

// The lowest number of the list of `ca` that a host hands out; absent when one has none, or there is no host.
Result<std::optional<std::int64_t>> served_number(const Json::Array& hosts, const std::string& ca) {
  std::optional<std::int64_t> lowest;
  for (const Json& host : hosts) {
    TRY(const auto state, host.text_at("state"));
    if (state == "gone") continue;
    TRY(const auto crls, array_at(host, "crls"));
    std::optional<std::int64_t> here;
    for (const Json& crl : crls) {
      TRY(const auto of, crl.text_at("ca"));
      if (of != ca) continue;
      TRY(here, crl.integer_at("number"));
    }
    if (!here) return std::nullopt;
    lowest = std::min(lowest.value_or(*here), *here);
  }
  return lowest;
}

}  // namespace

Result<void> print_status(const Json& status) {
  TRY(const auto now, time_at(status, "now"));
  TRY(const auto newest, status.integer_at("snapshot_number"));
  TRY(const auto hosts, array_at(status, "hosts"));
  fmt::print("newest     snapshot {}\n", newest);
  if (hosts.empty())
    fmt::print("host       none has told of itself: does 'sallyport up' run, or 'sallyport serve status'?\n");
  Json::Array signers;
  for (const Json& host : hosts) {
    TRY_VOID(print_host(host, now));
    TRY_VOID(add_signers(host, now, signers));
  }
  constexpr std::array kColumns = {Column{"HOST", "host"}, Column{"SIGNER FOR", "ca"}, Column{"LEFT", "left"},
                                   Column{"UNTIL", "not_after"}, Column{"NEXT ONE", "next"}};
  if (!signers.empty()) {
    fmt::print("\n");
    print_table(signers, kColumns);
  }
  TRY(const auto roots, array_at(status, "root_crls"));
  fmt::print("\n");
  for (const Json& root : roots) TRY_VOID(print_root_crl(root, now));
  return {};
}

Result<bool> is_answering(const Json& status) {
  TRY(const auto hosts, array_at(status, "hosts"));
  for (const Json& host : hosts) {
    TRY(const auto state, host.text_at("state"));
    TRY(const auto missing, array_at(host, "missing_signers"));
    if (state == "answering" && missing.empty()) return true;
  }
  return false;
}

Result<Json::Array> crl_rows(const Json& status) {
  TRY(const auto now, time_at(status, "now"));
  TRY(const auto hosts, array_at(status, "hosts"));
  Json::Array rows;
  for (const std::string_view kind : {"root_crls", "crls"}) {
    TRY(const auto crls, array_at(status, kind));
    for (const Json& crl : crls) {
      TRY(auto row, crl.object());
      TRY(const auto until, time_at(crl, "next_update"));
      const bool is_root = kind == "root_crls";
      TRY(const auto ca, crl.text_at(is_root ? "name" : "ca"));
      row.insert_or_assign("ca", ca);
      row.emplace("left", until < now ? "overdue" : span_text(until - now));
      TRY(const auto served, served_number(hosts, ca));
      // Roots' lists travel in the snapshot.
      row.emplace("served", is_root ? Json("by snapshot") : served ? Json(*served) : Json());
      rows.emplace_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace sallyport::cli
