// sallyport log watch|show: the entries of a log, each proven by its head.
#include "log_watch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>
#include <thread>

#include "codec/text.h"
#include "json_output.h"
#include "log_source.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::chrono::seconds kFollowInterval{2};

// Reads the entries from `first` to before `end` in order, each proven by the head that was signed.
Result<void> read_entries(LogReader& log, const tlog::Checkpoint& head, std::uint64_t first, std::uint64_t end,
                          const std::function<Result<void>(const tlog::LogEntry&)>& take) {
  tlog::TiledTree tree(head.size, [&](const tlog::Tile& tile) { return log.read(tile); });
  TRY(const auto root, tree.root());
  if (root != head.root) return fail(Errc::unauthorized, "log: its hashes do not lead to the root that was signed");
  for (std::uint64_t at = first / tlog::kTileWidth; at * tlog::kTileWidth < end; ++at) {
    const auto tile = tlog::tile_in(std::nullopt, at, head.size);
    if (!tile) return {};
    TRY(const auto bytes, log.read(*tile));
    TRY(const auto bundle, tlog::parse_bundle(bytes, tile->width));
    for (std::uint64_t index = at * tlog::kTileWidth; const ByteView one : bundle) {
      TRY(const auto leaf, tree.leaf(index));
      TRY(const auto entry, tlog::parse_log_entry(one));
      if (tlog::leaf_hash(one) != leaf || entry.index != index)
        return failf(Errc::unauthorized, "log: entry {} is not what was signed; log verify names all that is wrong",
                     index);
      if (index >= first && index < end) TRY_VOID(take(entry));
      ++index;
    }
  }
  return {};
}

bool is_for(const pki::Certificate& certificate, const std::string& name) {
  if (certificate.subject().common_name() == name) return true;
  const auto& names = certificate.extensions().alternative_names;
  return names && std::ranges::any_of(names->dns, [&](std::string_view dns) {
           if (dns.starts_with("*.")) dns.remove_prefix(2);
           return dns == name || dns.starts_with(name + ".");
         });
}

Json certificate_json(const tlog::LogEntry& entry, const pki::Certificate& certificate, bool expected) {
  const auto& names = certificate.extensions().alternative_names;
  Json::Array dns;
  if (names) std::ranges::copy(names->dns, std::back_inserter(dns));
  return Json::Object{{"index", entry.index},
                      {"time", to_iso8601(entry.time)},
                      {"ca", std::get<tlog::CertificateEntry>(entry.what).ca},
                      {"serial", certificate.serial().hex()},
                      {"sha256", codec::encode_hex(certificate.fingerprint())},
                      {"names", std::move(dns)},
                      {"not_before", to_iso8601(certificate.validity().not_before)},
                      {"not_after", to_iso8601(certificate.validity().not_after)},
                      {"expected", expected}};
}

// The fingerprints of --expect, which are separated by commas.
Result<std::set<std::string>> expected_fingerprints(const Arguments& arguments) {
  std::set<std::string> out;
  std::string_view rest;
  const auto given = arguments.find("expect");
  if (given) rest = *given;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    TRY(const auto bytes, codec::decode_hex(rest.substr(0, comma)));
    if (bytes.size() != 32) return fail(Errc::malformed, "--expect: want SHA-256 fingerprints in hexadecimal");
    out.insert(codec::encode_hex(bytes));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return out;
}

// Whom log watch looks for, and what it saw of him.
struct Watch {
  std::string name;
  std::set<std::string> expected;  // fingerprints; empty: whatever there is
  std::set<std::string> seen;
  std::uint64_t unexpected = 0;
  bool json = false;
};

// Prints an entry that is a certificate of the one who is watched.
void watch_entry(Watch& watch, const tlog::LogEntry& entry) {
  const auto* logged = std::get_if<tlog::CertificateEntry>(&entry.what);
  if (logged == nullptr) return;
  const auto certificate = pki::parse_certificate(logged->der);
  if (!certificate || !is_for(*certificate, watch.name)) return;
  const std::string fingerprint = codec::encode_hex(certificate->fingerprint());
  watch.seen.insert(fingerprint);
  const bool is_expected = watch.expected.empty() || watch.expected.contains(fingerprint);
  if (!is_expected) ++watch.unexpected;
  if (watch.json) {
    print_json(certificate_json(entry, *certificate, is_expected));
  } else {
    fmt::print("{:>8}  {}  {:<12}  {}  {}{}\n", entry.index, to_iso8601(entry.time), logged->ca,
               certificate->serial().hex(), fingerprint, is_expected ? "" : "  NOT EXPECTED");
  }
}

// What the owner did not ask for, and what he has and the log does not.
Outcome judge_watch(const Watch& watch, bool is_whole) {
  if (watch.unexpected > 0) {
    return std::unexpected(
        Failure({Errc::unauthorized,
                 fmt::format("found {} certificates of {} that were not expected", watch.unexpected, watch.name)},
                ExitStatus::refused));
  }
  for (const std::string& fingerprint : watch.expected) {
    if (!is_whole || watch.seen.contains(fingerprint)) continue;
    return std::unexpected(Failure(
        {Errc::unauthorized, fmt::format("certificate {} is not in the log, or not of {}", fingerprint, watch.name)},
        ExitStatus::refused));
  }
  return {};
}

Json entry_json(const tlog::LogEntry& entry) {
  Json::Object out{{"index", entry.index}, {"kind", tlog::to_string(entry.kind())}, {"time", to_iso8601(entry.time)}};
  if (const auto* certificate = std::get_if<tlog::CertificateEntry>(&entry.what)) {
    out["ca"] = certificate->ca;
    if (const auto parsed = pki::parse_certificate(certificate->der)) {
      out["subject"] = parsed->subject().common_name().value_or("");
      out["serial"] = parsed->serial().hex();
      out["sha256"] = codec::encode_hex(parsed->fingerprint());
    }
  } else if (const auto* head = std::get_if<tlog::LedgerHeadEntry>(&entry.what)) {
    out["site"] = head->site.get();
    out["sequence"] = head->sequence;
    out["hash"] = codec::encode_hex(head->hash);
  } else if (const auto* event = std::get_if<tlog::AuditEntry>(&entry.what)) {
    out["sequence"] = event->sequence;
    out["hash"] = codec::encode_hex(event->hash);
  }
  return out;
}

}  // namespace

std::optional<std::filesystem::path> trusted_root(const Arguments& arguments) {
  const auto given = arguments.find("root");
  return given ? std::optional<std::filesystem::path>(*given) : std::nullopt;
}

codec::Json::Object head_json(const tlog::Checkpoint& checkpoint) {
  return {{"origin", checkpoint.origin}, {"size", checkpoint.size}, {"root", codec::encode_hex(checkpoint.root)}};
}

Outcome log_watch(const Arguments& arguments, Environment& environment) {
  Watch watch{.name = arguments.text("NAME"), .json = arguments.flag("json")};
  TRY(watch.expected, expected_fingerprints(arguments));
  TRY(const std::uint64_t first, arguments.number("after", 0, INT64_MAX));
  for (std::uint64_t next = first;;) {
    const auto log = open_log(arguments, environment);
    TRY(const auto key, prove_key(*log, trusted_root(arguments), environment.clock));
    TRY(const auto note, log->checkpoint());
    TRY(const auto head, tlog::open_checkpoint(note, key.key));
    TRY_VOID(read_entries(*log, head, next, head.size, [&](const tlog::LogEntry& entry) -> Result<void> {
      watch_entry(watch, entry);
      return {};
    }));
    std::fflush(stdout);
    if (auto judged = judge_watch(watch, first == 0); !judged || !arguments.flag("follow")) return judged;
    next = std::max(next, head.size);
    std::this_thread::sleep_for(kFollowInterval);
  }
}

Outcome log_show(const Arguments& arguments, Environment& environment) {
  const auto log = open_log(arguments, environment);
  TRY(const auto key, prove_key(*log, trusted_root(arguments), environment.clock));
  TRY(const auto note, log->checkpoint());
  TRY(const auto head, tlog::open_checkpoint(note, key.key));
  TRY(const auto after, arguments.number("after", 0, INT64_MAX));
  TRY(const auto limit, arguments.number("limit", 0, 10'000));
  Json::Array entries;
  TRY_VOID(read_entries(*log, head, after, std::min(head.size, after + limit),
                        [&](const tlog::LogEntry& entry) -> Result<void> {
                          entries.push_back(entry_json(entry));
                          return {};
                        }));
  if (arguments.flag("json")) {
    Json::Object out = head_json(head);
    out["key"] = key.key.to_text();
    out["entries"] = std::move(entries);
    print_json(Json(std::move(out)));
    return {};
  }
  fmt::print("origin  {}\nsize    {}\nroot    {}\nkey     {}\n", head.origin, head.size, codec::encode_hex(head.root),
             key.key.to_text());
  for (const Json& entry : entries) print_json(entry);
  return {};
}

}  // namespace sallyport::cli
