#include "restore_steps.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "authority/audit.h"
#include "authority/installation.h"
#include "backup_layout.h"
#include "folders.h"
#include "keystore/file.h"
#include "records/installation_values.h"
#include "settings.h"
#include "store/record_database.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;
using codec::Json;
using records::Records;

constexpr std::size_t kMaxManifest = 64U << 10U;
constexpr std::size_t kMaxSecret = 4'096;
constexpr std::size_t kMaxMark = 4'096;
constexpr std::size_t kMaxOrderFile = 1U << 20U;
// What may have been told in the time that a backup knows nothing of.
constexpr std::uint64_t kUnknownChanges = 1'000'000;
constexpr std::array<std::string_view, 5> kFolders = {"authority", "gateway", "orders", "signer", "trust"};
constexpr std::array<std::string_view, 2> kFiles = {"version", "sallyport.toml"};

Result<void> make_private_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return {};
  return failf(Errc::unavailable, "{}: cannot be made: {}", folder.string(), std::strerror(errno));
}

Result<void> unpack_entry(const keystore::BackupReader& backup, const keystore::BackupEntry& entry,
                          const fs::path& folder) {
  const auto slash = entry.name.find('/');
  const std::string_view first = std::string_view(entry.name).substr(0, slash);
  const bool is_known = slash == std::string::npos ? std::ranges::find(kFiles, first) != kFiles.end()
                                                   : std::ranges::find(kFolders, first) != kFolders.end();
  if (!is_known) return failf(Errc::malformed, "backup: found {}, want files of an installation", entry.name);
  return backup.extract(entry, folder / entry.name);
}

Result<void> unpack_files(const keystore::BackupReader& backup, const fs::path& folder) {
  TRY_VOID(make_private_folder(folder));
  for (const std::string_view name : kFolders) TRY_VOID(make_private_folder(folder / name));
  for (const keystore::BackupEntry& entry : backup.entries()) {
    if (entry.name != kManifest) TRY_VOID(unpack_entry(backup, entry, folder));
  }
  for (const std::string_view name :
       {std::string_view("version"), std::string_view("sallyport.toml"), kAuthorityDatabase}) {
    if (backup.find(name) == nullptr) return failf(Errc::malformed, "backup: found no {}, want all of a state", name);
  }
  return {};
}

Result<std::string> read_created(const keystore::BackupReader& backup) {
  const keystore::BackupEntry* entry = backup.find(kManifest);
  if (entry == nullptr) return failf(Errc::malformed, "backup: found no {}, want one", kManifest);
  TRY(const auto bytes, backup.read(*entry, kMaxManifest));
  TRY(const auto manifest, codec::parse_json(as_text(bytes)));
  TRY(const auto created, manifest.text_at("created"));
  TRY(const auto time, parse_iso8601(created));
  return to_iso8601(time);
}

struct Read {
  StateFacts facts;
  std::vector<Bytes> root_crls;
};

Result<Read> read_database(const fs::path& file, const records::RecordDatabase::Work& more = {}) {
  TRY(const auto database, store::open_record_database(file));
  Read out;
  TRY_VOID(database->read([&](Records& records) -> Result<void> {
    TRY(out.facts, read_state_facts(records));
    auto crls = records::list_root_crls(records);
    if (!crls && crls.error().code != Errc::not_found) return std::unexpected(std::move(crls).error());
    if (crls) out.root_crls = *std::move(crls);
    return more ? more(records) : Result<void>{};
  }));
  return out;
}

// Whether the audit log of `records` has the entry with which that of `other` ends, or ends before it.
Result<bool> continues(Records& records, const StateFacts& other) {
  if (other.audit_sequence == 0) return true;
  records::AuditFilter filter;
  filter.after = other.audit_sequence - 1;
  filter.limit = 1;
  TRY(const auto page, records.audit().list(filter));
  return page.empty() || page.front().hash == other.audit_hash;
}

// The mark of this machine stays: a log that was signed further than the restored database reaches must not be signed
// anew from there.
Result<void> keep_mark(const InstallationPaths& restored, const InstallationPaths& present) {
  const fs::path mark = present.signer_keys() / kCheckpointMark;
  std::error_code ignored;
  if (!fs::exists(mark, ignored)) return {};
  TRY(const auto bytes, keystore::read_file(mark, kMaxMark));
  return keystore::atomic_write_file(restored.signer_keys() / kCheckpointMark, bytes, keystore::kSecretMode);
}

// Of each root the CRL with the higher number: of what is in the records, and of these.
Result<void> keep_newer_crls(Records& records, const std::vector<Bytes>& present) {
  TRY(const auto installation, authority::Installation::load(records));
  TRY(auto known, installation.read_root_crls());
  for (const Bytes& der : present) {
    TRY(auto crl, pki::parse_crl(der));
    known.push_back(std::move(crl));
  }
  return authority::keep_root_crls(records,
                                   pki::newest_crls(installation.anchors(), known, pki::TimeRule::floor(UnixTime(0))));
}

Result<void> write_mark(Records& records, const RestoredState& restored, const std::optional<PresentState>& present,
                        UnixTime now) {
  const bool is_behind = present && restored.facts.is_behind(present->facts);
  const std::uint64_t known = present ? std::max(present->facts.change_number, restored.facts.change_number)
                                      : restored.facts.change_number + kUnknownChanges;
  TRY_VOID(records.raise_change_number_above(known));
  if (present) TRY_VOID(keep_newer_crls(records, present->root_crls));
  Json::Object mark{{"at", to_iso8601(now)},
                    {"created", restored.created},
                    {"backup", to_json(restored.facts)},
                    {"replaced", present ? to_json(present->facts) : Json()},
                    {"is_behind", is_behind}};
  TRY_VOID(records.put_value(kRestoredValue, as_bytes(Json(mark).write())));
  const std::string actor = fmt::format("cli:uid {}", ::getuid());
  return authority::append_audit(records, now, actor, "installation.restored", "authority", std::move(mark));
}

// What the root has ordered is not undone by any restoring: what was taken here stays. Of two CRLs of a root the one
// with the higher number does.
Result<void> keep_orders(const InstallationPaths& to, const InstallationPaths& from) {
  std::error_code ignored;
  if (!fs::exists(from.orders(), ignored)) return {};
  for (const auto& entry : fs::directory_iterator(from.orders(), ignored)) {
    const fs::path target = to.orders() / entry.path().filename();
    if (target.extension() != ".order" && target.extension() != ".crl") continue;
    TRY(const auto here, keystore::read_file(entry.path(), kMaxOrderFile));
    if (fs::exists(target, ignored)) {
      if (target.extension() != ".crl") continue;
      TRY(const auto there, keystore::read_file(target, kMaxOrderFile));
      TRY(const auto newer, pki::parse_crl(here));
      TRY(const auto older, pki::parse_crl(there));
      if (newer.number() <= older.number()) continue;
    }
    TRY_VOID(keystore::atomic_write_file(target, here, keystore::kPublicMode));
  }
  return {};
}

}  // namespace

Result<RestoredState> unpack_backup(const keystore::BackupReader& backup, const fs::path& folder,
                                    const fs::path& secret, const Environment& environment) {
  RestoredState out{.paths = {folder}};
  TRY(out.created, read_created(backup));
  TRY(const auto machine_secret, keystore::read_secret_file(secret, kMaxSecret));
  TRY_VOID(unpack_files(backup, folder));
  TRY_VOID(keystore::create_file(out.paths.secret(), machine_secret.expose(), keystore::kSecretMode));
  TRY_VOID(keystore::StateFolder::check(folder, kInstallationFormat));
  TRY_VOID(load_settings(out.paths.settings()));
  TRY_VOID(load_signer(out.paths, environment.clock));
  TRY(auto read, read_database(out.paths.database()));
  out.facts = read.facts;
  return out;
}

Result<PresentState> read_present_state(const InstallationPaths& paths, const RestoredState& restored) {
  TRY(const auto here, read_installed_roots(paths));
  TRY(const auto there, read_installed_roots(restored.paths));
  if (std::ranges::find_first_of(here, there) == here.end()) {
    return failf(Errc::unauthorized, "restore: found a backup of another installation, want one of the root in {}",
                 paths.root_certificate().string());
  }
  PresentState present;
  bool continues_backup = false;
  bool is_continued = false;
  TRY(auto read, read_database(paths.database(), [&](Records& records) -> Result<void> {
        TRY(continues_backup, continues(records, restored.facts));
        return {};
      }));
  present.facts = read.facts;
  present.root_crls = std::move(read.root_crls);
  TRY_VOID(read_database(restored.paths.database(), [&](Records& records) -> Result<void> {
    TRY(is_continued, continues(records, present.facts));
    return {};
  }));
  present.is_same_history = continues_backup && is_continued;
  return present;
}

std::optional<Error> what_would_be_undone(const PresentState& present, const RestoredState& restored) {
  if (!present.is_same_history) {
    return Error{
        Errc::conflict,
        fmt::format("restore: found an audit log in the backup that ends with entry {}, but another one here, up "
                    "to {}: the two went different ways",
                    restored.facts.audit_sequence, present.facts.audit_sequence)};
  }
  if (!restored.facts.is_behind(present.facts)) return std::nullopt;
  const auto lost = [](std::uint64_t here, std::uint64_t there) { return here > there ? here - there : 0; };
  return Error{Errc::conflict,
               fmt::format("restore: found {} in a backup of {}, but {} here: {} changes and {} audited acts, with the "
                           "certificates and revocations among them, would be undone",
                           to_line(restored.facts), restored.created, to_line(present.facts),
                           lost(present.facts.change_number, restored.facts.change_number),
                           lost(present.facts.audit_sequence, restored.facts.audit_sequence))};
}

Result<void> mark_restored(const RestoredState& restored, const std::optional<PresentState>& present,
                           const InstallationPaths& present_paths, const Environment& environment) {
  if (present) TRY_VOID(keep_mark(restored.paths, present_paths));
  if (present) TRY_VOID(keep_orders(restored.paths, present_paths));
  TRY(const auto database, store::open_record_database(restored.paths.database()));
  const UnixTime now = environment.clock.now();
  return database->write_and_wait(
      [&](Records& records) -> Result<void> { return write_mark(records, restored, present, now); });
}

}  // namespace sallyport::cli
