// sallyport backup: the state of an installation in one file, while it runs.
#include <algorithm>

#include "backup_layout.h"
#include "ca_rollover.h"
#include "codec/json.h"
#include "commands.h"
#include "installation_folder.h"
#include "json_output.h"
#include "keystore/backup_file.h"
#include "keystore/file.h"
#include "settings.h"
#include "store/copy.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;
using codec::Json;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Removed at the end, whatever comes.
struct TemporaryCopy {
  fs::path path;
  ~TemporaryCopy() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

Result<void> add_database(keystore::BackupWriter& writer, const std::string& name, const fs::path& database,
                          const fs::path& out) {
  const TemporaryCopy copy{out.native() + "." + database.filename().native()};
  std::error_code ignored;
  fs::remove(copy.path, ignored);  // of a backup that was killed
  TRY_VOID(store::copy_database(database, copy.path));
  return writer.add_file(name, keystore::kSecretMode, copy.path);
}

// The regular files of a folder, by name.
Result<std::vector<fs::path>> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error) && !entry.path().filename().native().starts_with('.'))
      files.push_back(entry.path());
  }
  if (error) return failf(Errc::unavailable, "{}: cannot be listed: {}", folder.string(), error.message());
  std::ranges::sort(files);
  return files;
}

Result<void> add_folder(keystore::BackupWriter& writer, const fs::path& folder, mode_t mode) {
  TRY(const auto files, files_of(folder));
  for (const fs::path& file : files) {
    if (file.filename() == kCheckpointMark) continue;  // it has its own turn
    TRY_VOID(writer.add_file(folder.filename().native() + "/" + file.filename().native(), mode, file));
  }
  return {};
}

Result<void> write_backup(const InstallationPaths& paths, const Settings& settings, const fs::path& out,
                          const Environment& environment) {
  TRY(auto writer, keystore::BackupWriter::create(out));
  const Json manifest(Json::Object{{"created", to_iso8601(environment.clock.now())},
                                   {"installation", settings.name},
                                   {"zone", settings.zone.get()},
                                   {"program", SALLYPORT_VERSION}});
  TRY_VOID(writer.add(std::string(kManifest), keystore::kPublicMode, as_bytes(manifest.write())));
  // What was signed of the log must not be ahead of the log: the mark before the database. Keys after it: those that
  // it does not know yet are in nobody's way.
  const fs::path mark = paths.signer_keys() / kCheckpointMark;
  if (is_there(mark)) TRY_VOID(writer.add_file("signer/" + std::string(kCheckpointMark), keystore::kSecretMode, mark));
  TRY_VOID(add_database(writer, std::string(kAuthorityDatabase), paths.database(), out));
  if (is_there(paths.telemetry()))
    TRY_VOID(add_database(writer, std::string(kTelemetryDatabase), paths.telemetry(), out));
  TRY_VOID(add_folder(writer, paths.signer_keys(), keystore::kSecretMode));
  TRY_VOID(add_folder(writer, paths.trust(), keystore::kPublicMode));
  if (is_there(paths.orders())) TRY_VOID(add_folder(writer, paths.orders(), keystore::kPublicMode));
  TRY_VOID(writer.add_file("sallyport.toml", keystore::kPublicMode, paths.settings()));
  TRY_VOID(writer.add_file("version", keystore::kPublicMode, paths.state / "version"));
  return writer.finish();
}

Outcome backup(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  const fs::path out = arguments.path("out");
  CLI_TRY_VOID(check_installation(paths));
  CLI_TRY_VOID(in_state(check_no_rollover_is_open(paths)));
  CLI_TRY(const auto settings, load_settings_in_state(paths.settings()));
  TRY_VOID(write_backup(paths, settings, out, environment));
  std::error_code ignored;
  const auto size = fs::file_size(out, ignored);
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"file", out.string()}, {"bytes", std::uint64_t{size}}}));
    return {};
  }
  fmt::print(
      "{}: {} kB, of {}\nIt does not hold {}, without which its keys open nothing: keep a copy of that elsewhere.\n",
      out.string(), size / 1'024, paths.state.string(), paths.secret().string());
  return {};
}

}  // namespace

std::vector<Command> backup_commands() {
  return {
      {.words = "backup",
       .summary = "write the state of an installation into one file, while it runs",
       .example = "sallyport backup --out /media/backup/sallyport-2026-11-28.backup --state /var/lib/sallyport",
       .options = {{.name = "out",
                    .value = "FILE",
                    .help = "a new file; beside it must be room for another copy of the databases",
                    .required = true},
                   state_option(),
                   json_option()},
       .run = backup},
  };
}

}  // namespace sallyport::cli
