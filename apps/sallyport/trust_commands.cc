// sallyport trust …: makes browsers and programs of this machine accept the console and the devices.
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <fmt/ranges.h>

#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "installation_folder.h"
#include "tool.h"

namespace sallyport::cli {
namespace {

constexpr std::array<std::string_view, 2> kTwins = {"server-ca", "web-ca"};
constexpr const char* kSystemFolder = "/usr/local/share/ca-certificates";

// A twin with the name that stores know it by.
struct Anchor {
  std::filesystem::path file;
  pki::Certificate certificate;
  std::string nickname;
  std::filesystem::path system_file;
};

Try<std::vector<Anchor>> read_anchors(const Arguments& arguments) {
  const InstallationPaths paths{arguments.path("state")};
  CLI_TRY_VOID(check_installation(paths));
  std::vector<Anchor> out;
  for (const std::string_view ca : kTwins) {
    CLI_TRY(auto certificate, in_state(read_certificate(paths.twin(ca))));
    const std::string mark = codec::encode_hex(ByteView(certificate.fingerprint()).first(4));
    std::string nickname = fmt::format("{} {}", certificate.subject().common_name().value_or(std::string(ca)), mark);
    out.push_back({.file = paths.twin(ca),
                   .certificate = std::move(certificate),
                   .nickname = std::move(nickname),
                   .system_file = fmt::format("{}/sallyport-{}-{}.crt", kSystemFolder, ca, mark)});
  }
  return out;
}

Result<std::filesystem::path> nss_folder(const Arguments& arguments) {
  if (const auto given = arguments.find("nss")) return *given;
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): one thread
  if (home == nullptr || *home == '\0') return fail(Errc::malformed, "HOME: found none, want --nss DIR");
  return std::filesystem::path(home) / ".pki" / "nssdb";
}

Result<void> run_certutil(const std::filesystem::path& store, std::vector<std::string> words) {
  std::vector<std::string> all = {"certutil", "-d", "sql:" + store.string()};
  all.insert(all.end(), words.begin(), words.end());
  auto done = run_tool(std::move(all));
  if (!done) return std::unexpected(std::move(done).error().at("Debian package libnss3-tools"));
  if (done->status == 0) return {};
  return failf(Errc::unavailable, "certutil {}: {}", words[0], done->output);
}

Result<void> install_nss(const std::filesystem::path& store, const std::vector<Anchor>& anchors) {
  if (!std::filesystem::exists(store / "cert9.db")) {
    TRY_VOID(make_folder(store));
    TRY_VOID(run_certutil(store, {"-N", "--empty-password"}));
  }
  for (const Anchor& anchor : anchors) {
    TRY_VOID(run_certutil(store, {"-A", "-t", "C,,", "-n", anchor.nickname, "-i", anchor.file.string()}));
    fmt::print("{}: trusts \"{}\" for the names {}\n", store.string(), anchor.nickname,
               fmt::join(anchor.certificate.extensions().name_constraints->permitted.dns, ", "));
  }
  return {};
}

Result<void> remove_nss(const std::filesystem::path& store, const std::vector<Anchor>& anchors) {
  if (!std::filesystem::exists(store / "cert9.db")) return {};
  for (const Anchor& anchor : anchors) {
    if (!run_certutil(store, {"-L", "-n", anchor.nickname})) continue;
    TRY_VOID(run_certutil(store, {"-D", "-n", anchor.nickname}));
    fmt::print("{}: no longer trusts \"{}\"\n", store.string(), anchor.nickname);
  }
  return {};
}

Result<void> refresh_system_store() {
  TRY(const auto done, run_tool({"update-ca-certificates"}));
  if (done.status == 0) return {};
  return failf(Errc::unavailable, "update-ca-certificates: {}", done.output);
}

Result<void> want_root() {
  if (::geteuid() == 0) return {};
  return fail(Errc::unauthorized, "--system: found an ordinary user, want root");
}

Outcome trust_install(const Arguments& arguments, Environment&) {
  CLI_TRY(const auto anchors, read_anchors(arguments));
  TRY(const auto store, nss_folder(arguments));
  if (arguments.flag("system")) TRY_VOID(want_root());
  TRY_VOID(install_nss(store, anchors));
  if (arguments.flag("system")) {
    TRY_VOID(make_folder(kSystemFolder));
    for (const Anchor& anchor : anchors) {
      TRY_VOID(write_certificate(anchor.system_file, anchor.certificate));
      fmt::print("{}: written\n", anchor.system_file.string());
    }
    TRY_VOID(refresh_system_store());
  }
  fmt::print("Restart the browser. Firefox keeps a store of its own in each profile: give it with --nss.\n");
  return {};
}

Outcome trust_remove(const Arguments& arguments, Environment&) {
  CLI_TRY(const auto anchors, read_anchors(arguments));
  TRY(const auto store, nss_folder(arguments));
  if (arguments.flag("system")) TRY_VOID(want_root());
  TRY_VOID(remove_nss(store, anchors));
  if (!arguments.flag("system")) return {};
  for (const Anchor& anchor : anchors) {
    std::error_code failure;
    if (std::filesystem::remove(anchor.system_file, failure)) fmt::print("{}: removed\n", anchor.system_file.string());
    if (failure)
      return std::unexpected(Failure({Errc::unavailable, anchor.system_file.string() + ": " + failure.message()}));
  }
  TRY_VOID(refresh_system_store());
  return {};
}

std::vector<Option> options() {
  return {state_option(),
          {.name = "nss", .value = "DIR", .help = "the certificate store of a browser; ~/.pki/nssdb without it"},
          {.name = "system", .value = "", .help = "the store of the operating system too (as root)"}};
}

}  // namespace

std::vector<Command> trust_commands() {
  return {
      {.words = "trust install",
       .summary = "have this user's browsers accept the console and the devices, and nothing else by it",
       .example = "sallyport trust install --state /var/lib/sallyport",
       .options = options(),
       .run = trust_install},
      {.words = "trust remove",
       .summary = "undo 'trust install'",
       .example = "sallyport trust remove --state /var/lib/sallyport",
       .options = options(),
       .run = trust_remove},
  };
}

}  // namespace sallyport::cli
