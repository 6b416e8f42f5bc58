#include "ca_rollover.h"

#include <algorithm>
#include <sstream>

#include "codec/text.h"
#include "folders.h"
#include "init_steps.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "pki/root_chain.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

// What the marker says once nothing but clearing away is left; before, it names the CAs.
constexpr std::string_view kTakenIn = "taken-in";

fs::path next_key_file(const InstallationPaths& paths, const std::string& ca) {
  return paths.signer_keys() / (ca + ".next.key");
}

Result<void> copy_key(const fs::path& from, const fs::path& to) {
  TRY(const auto bytes, keystore::read_secret_file(from, keystore::kMaxKeyFile));
  return keystore::atomic_write_file(to, bytes.expose(), keystore::kSecretMode);
}

// The roots after taking in what was brought: the newest that links lead to, before those that are installed.
Result<std::vector<pki::Certificate>> follow(const InstallationPaths& paths, const fs::path& from_root,
                                             const std::vector<pki::Certificate>& links, UnixTime now) {
  TRY(auto installed, read_installed_roots(paths));
  TRY(const auto brought, read_certificate(from_root / "root.pem"));
  if (brought == installed.front()) return installed;
  TRY(auto shown, read_certificates(from_root / "older-roots.pem"));
  shown.insert(shown.end(), links.begin(), links.end());
  shown.push_back(brought);
  const auto found = pki::follow_root_links(std::span(installed).first(1), shown, pki::TimeRule::clock(now));
  if (!(found.front() == brought)) {
    return failf(Errc::unauthorized,
                 "{}: found a root to which no link leads from the installed one, whose certificate pins its successor",
                 (from_root / "root.pem").string());
  }
  // Between the newest and the installed one there may have been others, of which nothing here was ever signed.
  installed.insert(installed.begin(), brought);
  if (installed.size() > pki::kMaxInstallationRoots)
    return failf(Errc::overloaded, "roots: found {}, want at most {}: retire the oldest", installed.size(),
                 pki::kMaxInstallationRoots);
  return installed;
}

// Of each root the CRL with the highest number, of what was brought and of what is in force: an answer may have been
// signed before the newest revocation. The newest root's must be among what was brought, in date.
Result<std::vector<pki::Crl>> choose_crls(const fs::path& file, const std::vector<pki::Certificate>& roots,
                                          const std::vector<pki::Crl>& in_force, UnixTime now) {
  TRY(const auto brought, read_crls(file));
  const auto in_date = pki::newest_crls(roots, brought, pki::TimeRule::clock(now));
  if (!in_date.front())
    return failf(Errc::unauthorized, "{}: found no CRL of the newest root that is in date", file.string());
  std::vector<pki::Crl> all = in_force;
  for (const auto& crl : in_date) {
    if (crl) all.push_back(*crl);
  }
  std::vector<pki::Crl> out;
  for (auto& crl : pki::newest_crls(roots, all, pki::TimeRule::floor(UnixTime(0)))) {
    if (crl) out.push_back(*std::move(crl));
  }
  return out;
}

Result<std::pair<std::string, pki::Certificate>> check_new_ca(const InstallationPaths& paths, const Settings& settings,
                                                              const fs::path& from_root, const std::string& ca,
                                                              const RolloverAnswer& answer) {
  const auto file = from_root / (ca + ".pem");
  TRY(auto certificate, read_certificate(file));
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  TRY(const auto key, secret.read_key(next_key_file(paths, ca)));
  const root::RequestFacts facts{.zone = settings.zone, .console_name = settings.console_name};
  auto is_ours = check_ca(certificate, ca, answer.roots.front(), key.public_key(), facts);
  if (is_ours && answer.crls.front().find(certificate.serial()) != nullptr)
    is_ours = fail(Errc::unauthorized, "found a certificate that the root has revoked");
  if (!is_ours) return std::unexpected(std::move(is_ours).error().at(file.string()));
  return std::pair(ca, std::move(certificate));
}

Result<void> install_ca(const InstallationPaths& paths, const std::string& ca, const pki::Certificate& certificate) {
  const auto in_use = paths.trust() / (ca + ".pem");
  const auto key = paths.signer_keys() / (ca + ".key");
  TRY(const auto present, read_certificate(in_use));
  if (!(present == certificate)) {
    const std::string older = records::older_ca_name(ca, present.serial().hex()).get();
    TRY_VOID(copy_key(key, paths.signer_keys() / (older + ".key")));
    TRY_VOID(write_certificate(paths.trust() / (older + ".pem"), present));
    TRY_VOID(write_certificate(in_use, certificate));
  }
  return copy_key(next_key_file(paths, ca), key);
}

Result<void> install_roots(const InstallationPaths& paths, const RolloverAnswer& answer) {
  if (!answer.links.empty()) TRY_VOID(write_certificates(paths.root_links(), answer.links));
  const std::span older = std::span(answer.roots).subspan(1);
  if (!older.empty()) TRY_VOID(write_certificates(paths.older_roots(), older));
  TRY_VOID(
      keystore::atomic_write_file(paths.root_crl(), as_bytes(encode_crls_pem(answer.crls)), keystore::kPublicMode));
  return write_certificate(paths.root_certificate(), answer.roots.front());
}

}  // namespace

RolloverPaths rollover_paths(const InstallationPaths& paths) {
  const auto folder = paths.rollover();
  return {.to_root = folder / "to-root", .from_root = folder / "from-root", .marker = folder / "installing"};
}

Result<std::vector<std::string>> find_interrupted_rollover(const InstallationPaths& paths) {
  const auto text = keystore::read_file(rollover_paths(paths).marker, kMaxSmallFile);
  std::vector<std::string> out;
  if (!text && text.error().code == Errc::not_found) return out;
  if (!text) return std::unexpected(text.error());
  std::istringstream lines{std::string(as_text(*text))};
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

Result<void> check_no_rollover_is_open(const InstallationPaths& paths) {
  TRY(const auto open, find_interrupted_rollover(paths));
  if (open.empty()) return {};
  return failf(Errc::conflict,
               "{}: found a rollover that was interrupted, want it finished: run 'sallyport ca rollover'",
               paths.rollover().string());
}

Result<void> settle_next_keys(const InstallationPaths& paths, const Settings& settings,
                              const std::vector<std::string>& cas) {
  const auto own = rollover_paths(paths);
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  for (const auto& folder : {own.to_root, own.from_root}) TRY_VOID(make_folder(folder));
  for (const std::string& ca : cas) {
    TRY(auto key, settle_key(secret, next_key_file(paths, ca)));
    TRY_VOID(write_ca_request(own.to_root / (ca + ".csr"), key, ca));
  }
  return keystore::atomic_write_file(own.to_root / "request.toml", as_bytes(encode_request_facts(settings)),
                                     keystore::kPublicMode);
}

bool has_answer_for(const fs::path& from_root, const std::vector<std::string>& cas) {
  return fs::exists(from_root / "root.pem") && fs::exists(from_root / "root.crl") &&
         std::ranges::all_of(cas, [&](const std::string& ca) { return fs::exists(from_root / (ca + ".pem")); });
}

Result<RolloverAnswer> read_answer(const InstallationPaths& paths, const Settings& settings, const fs::path& from_root,
                                   const std::vector<std::string>& cas, const std::vector<pki::Crl>& in_force,
                                   const Clock& clock) {
  RolloverAnswer answer;
  TRY(answer.links, read_certificates(from_root / "root-links.pem"));
  TRY(answer.roots, follow(paths, from_root, answer.links, clock.now()));
  TRY(answer.crls, choose_crls(from_root / "root.crl", answer.roots, in_force, clock.now()));
  for (const std::string& ca : cas) {
    TRY(auto checked, check_new_ca(paths, settings, from_root, ca, answer));
    answer.cas.push_back(std::move(checked));
  }
  return answer;
}

Result<void> install_answer(const InstallationPaths& paths, const RolloverAnswer& answer) {
  std::string names;
  for (const auto& [ca, certificate] : answer.cas) names += ca + "\n";
  if (names.empty()) names = "root\n";
  TRY_VOID(keystore::atomic_write_file(rollover_paths(paths).marker, as_bytes(names), keystore::kPublicMode));
  for (const auto& [ca, certificate] : answer.cas) TRY_VOID(install_ca(paths, ca, certificate));
  return install_roots(paths, answer);
}

Result<void> finish_rollover(const InstallationPaths& paths) {
  const auto own = rollover_paths(paths);
  TRY_VOID(keystore::atomic_write_file(own.marker, as_bytes(kTakenIn), keystore::kPublicMode));
  for (const records::CaName& ca : records::online_ca_names()) TRY_VOID(discard(next_key_file(paths, ca.get())));
  TRY_VOID(discard(own.to_root));
  TRY_VOID(discard(own.from_root));
  return discard(paths.rollover());
}

Result<bool> finish_interrupted_rollover(const InstallationPaths& paths) {
  TRY(const auto open, find_interrupted_rollover(paths));
  if (open.size() != 1 || open.front() != kTakenIn) return false;
  TRY_VOID(finish_rollover(paths));
  return true;
}

}  // namespace sallyport::cli
