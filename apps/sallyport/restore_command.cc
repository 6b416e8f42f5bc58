// sallyport restore: a state out of a backup, never an older one unasked.
#include <sys/stat.h>

#include <cstring>

#include "commands.h"
#include "folders.h"
#include "json_output.h"
#include "restore_steps.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;
using codec::Json;

// A folder beside the state that is removed with everything in it, unless it took its place.
struct Beside {
  fs::path path;
  bool is_kept = false;
  ~Beside() {
    std::error_code ignored;
    if (!is_kept) fs::remove_all(path, ignored);
  }
};

fs::path plain(fs::path path) {
  return path.has_filename() ? path : path.parent_path();
}

// The file with the machine's secret: the one that was named, or the one of the state that is there.
Result<fs::path> secret_file(const Arguments& arguments, const InstallationPaths& paths) {
  if (const auto given = arguments.find("secret")) return fs::path(*given);
  std::error_code ignored;
  if (fs::exists(paths.secret(), ignored)) return paths.secret();
  return failf(Errc::not_found,
               "restore: found no {}, want --secret FILE: the machine secret that was kept apart from the backup",
               paths.secret().string());
}

Result<void> rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return failf(Errc::unavailable, "{}: cannot become {}: {}", from.string(), to.string(), std::strerror(errno));
}

// A name beside the state that nothing has.
fs::path place_for_before(const fs::path& state, UnixTime now) {
  const std::string name = fmt::format("{}.before-restore-{}", state.native(), now.since_epoch());
  std::error_code ignored;
  fs::path place = name;
  for (int more = 2; fs::exists(fs::symlink_status(place, ignored)); ++more) place = fmt::format("{}-{}", name, more);
  return place;
}

struct Done {
  RestoredState restored;
  std::optional<PresentState> present;
  std::optional<fs::path> before;  // where the state that was there is now
};

void print_done(const Done& done, const fs::path& state, bool is_json) {
  if (is_json) {
    print_json(Json(Json::Object{{"created", done.restored.created},
                                 {"backup", to_json(done.restored.facts)},
                                 {"replaced", done.present ? to_json(done.present->facts) : Json()},
                                 {"before", done.before ? Json(done.before->string()) : Json()}}));
    return;
  }
  fmt::print("{} is as it was at {}: {}\n", state.string(), done.restored.created, to_line(done.restored.facts));
  if (done.before) fmt::print("what was there is in {}\n", done.before->string());
  if (!done.present) {
    fmt::print(
        "nothing is known of the time after: compare root CRL {} with the root's own number, and install a newer one\n",
        done.restored.facts.root_crl_number);
  }
}

Outcome restore(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{plain(arguments.path("state"))};
  TRY(const auto backup, keystore::BackupReader::open(arguments.path("from")));
  std::error_code ignored;
  std::optional<keystore::StateFolder> lock;
  if (fs::exists(paths.state, ignored)) {
    CLI_TRY(lock, open_state(paths.state, kInstallationFormat));
  }
  TRY(const auto secret, secret_file(arguments, paths));
  Beside beside{paths.state.native() + ".restoring"};
  fs::remove_all(beside.path, ignored);  // of a run that was killed
  CLI_TRY(auto restored, in_state(unpack_backup(backup, beside.path, secret, environment)));
  Done done{.restored = std::move(restored), .present = {}, .before = {}};
  if (lock) {
    CLI_TRY(done.present, in_state(read_present_state(paths, done.restored)));
    const auto undone = what_would_be_undone(*done.present, done.restored);
    if (undone && !arguments.flag("accept-older")) {
      return std::unexpected(Failure(
          {undone->code, undone->detail + "; if that is meant, run this with --accept-older"}, ExitStatus::refused));
    }
  }
  CLI_TRY_VOID(in_state(mark_restored(done.restored, done.present, paths, environment)));
  if (lock) {
    done.before = place_for_before(paths.state, environment.clock.now());
    TRY_VOID(rename_folder(paths.state, *done.before));
  }
  TRY_VOID(rename_folder(beside.path, paths.state));
  beside.is_kept = true;
  print_done(done, paths.state, arguments.flag("json"));
  return {};
}

}  // namespace

std::vector<Command> restore_commands() {
  return {
      {.words = "restore",
       .summary = "make the state of an installation out of a backup; nothing of it may run",
       .example = "sallyport restore --from /media/backup/sallyport-2026-11-28.backup --state /var/lib/sallyport",
       .options =
           {{.name = "from", .value = "FILE", .help = "as 'sallyport backup' wrote it", .required = true},
            {.name = "secret",
             .value = "FILE",
             .help = "copy of the file 'secret' of the state folder, of mode 0600; the one that is there without it"},
            {.name = "accept-older", .help = "also when the state that is there is newer, and changes would be undone"},
            state_option(),
            json_option()},
       .run = restore},
  };
}

}  // namespace sallyport::cli
