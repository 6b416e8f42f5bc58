// sallyport log …: the transparency log, checked by whoever has it.
#include <algorithm>
#include <cstdio>

#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "json_output.h"
#include "keystore/file.h"
#include "log_check.h"
#include "log_ledger.h"
#include "log_source.h"
#include "log_watch.h"

namespace sallyport::cli {
namespace {

using codec::Json;

const Option kExportOption{
    .name = "export", .value = "DIR", .help = "an exported log instead of the installation's own"};
const Option kRootOption{
    .name = "root", .value = "FILE", .help = "the root to trust, or several, PEM; the log's own without it"};

Failure findings_failure(std::size_t count, const Finding& first) {
  return Failure(Error{Errc::unauthorized, fmt::format("{} found, the first: {}", count, to_line(first))},
                 ExitStatus::refused);
}

// Prints what was found; the outcome is a refusal when there was anything.
Outcome conclude(const Arguments& arguments, Json::Object facts, const std::vector<Finding>& findings,
                 std::string_view good) {
  if (arguments.flag("json")) {
    Json::Array listed;
    for (const Finding& finding : findings) listed.push_back(to_json(finding));
    facts["findings"] = std::move(listed);
    print_json(Json(std::move(facts)));
  } else {
    for (const Finding& finding : findings) fmt::print("{}\n", to_line(finding));
    if (findings.empty()) fmt::print("{}\n", good);
  }
  if (findings.empty()) return {};
  return std::unexpected(findings_failure(findings.size(), findings.front()));
}

std::vector<Finding> findings_of(const tlog::LogReport& report) {
  std::vector<Finding> out;
  for (const tlog::LogFinding& each : report.findings) {
    out.push_back({each.index, std::string(tlog::to_string(each.fault)), each.detail});
  }
  return out;
}

Outcome log_verify(const Arguments& arguments, Environment& environment) {
  if (const auto ledger = arguments.find("ledger")) {
    const auto ca = arguments.find("ca");
    if (!ca) return std::unexpected(Failure({Errc::malformed, "--ledger: want --ca FILE as well"}, ExitStatus::usage));
    TRY(const auto site_ca, read_certificate(*ca));
    TRY(const auto after, arguments.number("after", 0, UINT32_MAX));
    TRY(const auto findings, examine_ledger_file(*ledger, site_ca, after));
    return conclude(arguments, {{"ledger", *ledger}}, findings,
                    "the ledger holds: every entry, every certificate, the head");
  }
  const bool is_export = arguments.find("export").has_value();
  const auto log = open_log(arguments, environment);
  RecordPicture before;
  if (!is_export) {
    CLI_TRY(before, take_picture(arguments.path("state"), environment));
  }
  TRY(const auto key, prove_key(*log, trusted_root(arguments), environment.clock));
  LogContent content(key.roots);
  const auto report =
      tlog::check_log(*log, key.key, [&](const tlog::LogEntry& entry, const tlog::Hash&) { content.take(entry); });
  content.finish();
  if (const auto shown = arguments.find("certificate")) {
    TRY(const auto pem, keystore::read_file(*shown, kMaxSmallFile));
    TRY(const auto certificates, pki::parse_certificates_pem(as_text(pem)));
    for (const auto& certificate : certificates) content.demand(certificate, *shown);
  }
  std::vector<Finding> findings = findings_of(report);
  if (!is_export && report.checkpoint) {
    if (!log->fault().empty()) findings.push_back({std::nullopt, "fell", log->fault()});
    CLI_TRY(const auto after, take_picture(arguments.path("state"), environment));
    content.compare(before, after);
  }
  std::ranges::move(content.take_findings(), std::back_inserter(findings));
  Json::Object facts = report.checkpoint ? head_json(*report.checkpoint) : Json::Object{};
  facts["entries"] = report.entries;
  facts["trusted_root"] = codec::encode_hex(key.roots.front().fingerprint());
  const std::string good =
      fmt::format("{} entries of {}: every hash, every signature{} holds\nroot {}\ntrusting root {}", report.entries,
                  key.key.name(), is_export ? "" : " and every record",
                  report.checkpoint ? codec::encode_hex(report.checkpoint->root) : "-",
                  codec::encode_fingerprint(key.roots.front().fingerprint()));
  return conclude(arguments, std::move(facts), findings, good);
}

// The leaf hashes of a log of `size`, in order, to `take`.
Result<void> read_leaves(LogReader& log, std::uint64_t size, std::uint64_t most,
                         const std::function<void(const tlog::Hash&)>& take) {
  for (std::uint64_t index = 0; const auto tile = tlog::tile_in(0U, index, size); ++index) {
    TRY(const auto bytes, log.read(*tile));
    for (std::size_t i = 0; i < bytes.size() / tlog::kHashSize; ++i) {
      if (index * tlog::kTileWidth + i >= most) return {};
      take(tlog::hash_in(bytes, i));
    }
  }
  return {};
}

// Names the entries in which two exports differ, as far as the older one goes.
std::vector<Finding> name_differences(LogReader& older, std::uint64_t old_size, LogReader& newer, std::uint64_t size) {
  tlog::Aligner aligner;
  const auto expected = read_leaves(older, old_size, old_size, [&](const tlog::Hash& hash) { aligner.expect(hash); });
  const auto found = read_leaves(newer, size, old_size, [&](const tlog::Hash& hash) { aligner.find(hash); });
  if (!expected || !found) return {};
  aligner.finish();
  std::vector<Finding> out;
  for (const tlog::LogFinding& each : aligner.findings()) {
    out.push_back({each.index, std::string(tlog::to_string(each.fault)), each.detail});
  }
  return out;
}

// What is wrong between an older head and a newer log.
Result<std::vector<Finding>> judge_growth(const tlog::Checkpoint& old_head, const tlog::Checkpoint& head,
                                          LogReader& newer) {
  std::vector<Finding> out;
  if (head.size < old_head.size) {
    out.push_back(
        {head.size, "fell", fmt::format("found {} entries, want at least the {} of before", head.size, old_head.size)});
    return out;
  }
  tlog::TiledTree tree(head.size, [&](const tlog::Tile& tile) { return newer.read(tile); });
  TRY(const auto root, tree.root());
  TRY(const auto proof, tree.consistency_from(old_head.size));
  if (root != head.root) out.push_back({std::nullopt, "wrong-root", "found tiles that do not lead to the checkpoint"});
  if (auto ok = tlog::verify_consistency(old_head.size, old_head.root, head.size, head.root, proof); !ok) {
    out.push_back({std::nullopt, "inconsistent", ok.error().detail});
  }
  return out;
}

Outcome log_audit(const Arguments& arguments, Environment& environment) {
  std::unique_ptr<LogReader> newer;
  if (const auto given = arguments.find("NEW")) {
    newer = std::make_unique<FolderLog>(*given);
  } else {
    newer = open_log(arguments, environment);
  }
  const auto remembered = arguments.find("since");
  const auto old_path = remembered ? remembered : arguments.find("OLD");
  if (!old_path)
    return std::unexpected(Failure({Errc::malformed, "want OLD and NEW, or --since FILE"}, ExitStatus::usage));
  TRY(const auto key, prove_key(*newer, trusted_root(arguments), environment.clock));
  TRY(const auto note, newer->checkpoint());
  TRY(const auto head, tlog::open_checkpoint(note, key.key));
  const bool is_first = remembered && !std::filesystem::exists(*old_path);
  std::vector<Finding> findings;
  if (!is_first) {
    const bool is_folder = std::filesystem::is_directory(*old_path);
    FolderLog older(*old_path);
    TRY(
        const auto old_note, is_folder ? older.checkpoint() : [&]() -> Result<std::string> {
          TRY(const auto bytes, keystore::read_file(*old_path, tlog::kMaxNoteBytes));
          return std::string(as_text(bytes));
        }());
    TRY(const auto old_head, tlog::open_checkpoint(old_note, key.key));
    TRY(findings, judge_growth(old_head, head, *newer));
    if (!findings.empty() && is_folder) {
      std::ranges::move(name_differences(older, old_head.size, *newer, head.size), std::back_inserter(findings));
    }
  }
  if (remembered && findings.empty()) {
    TRY_VOID(keystore::atomic_write_file(*remembered, as_bytes(note), keystore::kPublicMode));
  }
  const std::string good = is_first ? fmt::format("remembered {} entries; nothing to compare with yet", head.size)
                                    : fmt::format("{} entries continue what was seen before", head.size);
  return conclude(arguments, head_json(head), findings, good);
}

Result<void> write_once(const std::filesystem::path& path, ByteView bytes) {
  TRY_VOID(make_folder(path.parent_path()));
  return keystore::atomic_write_file(path, bytes, keystore::kPublicMode);
}

Outcome log_export(const Arguments& arguments, Environment& environment) {
  const std::filesystem::path folder = arguments.path("DIR");
  ServiceLog log(arguments.path("state"), environment);
  TRY(const auto key, prove_key(log, std::nullopt, environment.clock));
  TRY(const auto note, log.checkpoint());
  TRY(const auto head, tlog::open_checkpoint(note, key.key));
  std::uint64_t files = 0;
  for (unsigned level = 0; level <= tlog::kMaxTileLevel + 1; ++level) {
    // After the levels of hashes come the bundles of entries.
    const auto kind = level <= tlog::kMaxTileLevel ? std::optional(level) : std::nullopt;
    for (std::uint64_t index = 0; const auto tile = tlog::tile_in(kind, index, head.size); ++index) {
      const auto path = folder / tlog::tile_path(*tile);
      if (std::filesystem::exists(path)) continue;
      TRY(const auto bytes, log.read(*tile));
      TRY_VOID(write_once(path, bytes));
      ++files;
    }
  }
  TRY(const auto chain, log.key_chain());
  TRY_VOID(write_once(folder / "key.pem", as_bytes(pki::encode_certificates_pem(chain))));
  TRY_VOID(write_certificates(folder / "root.pem", key.roots));
  TRY_VOID(write_once(folder / "key.vkey", as_bytes(key.key.to_text() + "\n")));
  TRY_VOID(write_once(folder / "checkpoint", as_bytes(note)));
  fmt::print("exported {} entries of {} ({} new files)\n", head.size, head.origin, files);
  return {};
}

}  // namespace

std::vector<Command> log_commands() {
  return {
      {.words = "log verify",
       .summary = "recompute the whole log and name every entry that is missing, altered, moved or unlogged",
       .example = "sallyport log verify --export ./log --root root.pem",
       .options =
           {kExportOption,
            kRootOption,
            {.name = "certificate", .value = "FILE", .help = "certificates that must be in the log, PEM"},
            {.name = "ledger", .value = "FILE", .help = "the exported ledger of a site instead of a log"},
            {.name = "ca", .value = "FILE", .help = "with --ledger: the site CA's certificate, PEM"},
            {.name = "after", .value = "N", .help = "with --ledger: it was exported with --after N", .fallback = "0"},
            state_option(),
            json_option()},
       .run = log_verify},
      {.words = "log audit",
       .summary = "prove that a log continues what was seen of it before",
       .example = "sallyport log audit --since last-seen.checkpoint",
       .options = {{.name = "OLD", .value = "OLD", .help = "an older export, or a file with an older checkpoint"},
                   {.name = "NEW", .value = "NEW", .help = "a newer export; the installation's log without it"},
                   {.name = "since",
                    .value = "FILE",
                    .help = "compares with the checkpoint in this file and remembers the new one there"},
                   kExportOption,
                   kRootOption,
                   state_option(),
                   json_option()},
       .run = log_audit},
      {.words = "log watch",
       .summary = "show every certificate that was ever issued for a name",
       .example = "sallyport log watch abcdefghij --follow",
       .options =
           {{.name = "NAME", .value = "NAME", .help = "device name, serial id or whole DNS name", .required = true},
            {.name = "expect",
             .value = "SHA256,…",
             .help = "the fingerprints that he has: one more or less in the log ends with status 4"},
            {.name = "follow", .help = "go on, and show new ones as they come"},
            {.name = "after", .value = "INDEX", .help = "begin at this entry", .fallback = "0"},
            kExportOption,
            kRootOption,
            state_option(),
            json_option()},
       .run = log_watch},
      {.words = "log show",
       .summary = "show the log's head and its entries",
       .example = "sallyport log show --after 100 --limit 20",
       .options = {{.name = "after", .value = "INDEX", .help = "begin at this entry", .fallback = "0"},
                   {.name = "limit", .value = "N", .help = "at most so many entries, up to 10000", .fallback = "0"},
                   kExportOption,
                   kRootOption,
                   state_option(),
                   json_option()},
       .run = log_show},
      {.words = "log export",
       .summary = "write the log as plain files that anybody can verify; again, only what is new",
       .example = "sallyport log export ./log",
       .options = {{.name = "DIR", .value = "DIR", .help = "folder for the files", .required = true}, state_option()},
       .run = log_export},
  };
}

}  // namespace sallyport::cli
