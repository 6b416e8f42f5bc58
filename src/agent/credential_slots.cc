#include "agent/credential_slots.h"

#include <system_error>

#include "keystore/file.h"
#include "keystore/key_file.h"

namespace sallyport::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxChainFile = 64U << 10U;
constexpr std::size_t kMaxCurrentFile = 16;

}  // namespace

crypto::TlsIdentity Credential::identity() const {
  crypto::TlsIdentity out;
  for (const pki::Certificate& each : chain) out.chain.push_back(to_bytes(each.der()));
  out.key = key;
  return out;
}

Result<std::optional<Credential>> find_credential(const fs::path& stem) {
  const fs::path key_path = stem.native() + ".key";
  const fs::path chain_path = stem.native() + ".pem";
  std::error_code ignored;
  if (!fs::exists(key_path, ignored) || !fs::exists(chain_path, ignored)) return std::nullopt;
  TRY(auto key, keystore::read_private_key_file(key_path));
  TRY(const auto pem, keystore::read_file(chain_path, kMaxChainFile));
  TRY(auto chain, pki::parse_certificates_pem(as_text(pem)));
  if (!(chain.front().public_key() == key.public_key()))
    return failf(Errc::conflict, "{}: certificate is not for the key beside it", chain_path.native());
  Credential out{.key = std::make_shared<const crypto::PrivateKey>(std::move(key)), .chain = std::move(chain)};
  return out;
}

CredentialSlots::CredentialSlots(fs::path folder, std::string prefix, StepObserver on_step)
    : folder_(std::move(folder)), prefix_(std::move(prefix)), on_step_(std::move(on_step)) {}

fs::path CredentialSlots::stem(int slot) const {
  return folder_ / fmt::format("{}.{}", prefix_, slot);
}

void CredentialSlots::step(std::string_view name) const {
  if (on_step_) on_step_(name);
}

Result<std::optional<int>> CredentialSlots::current() const {
  const fs::path path = folder_ / (prefix_ + ".current");
  const auto text = keystore::read_file(path, kMaxCurrentFile);
  if (!text) {
    if (text.error().code == Errc::not_found) return std::nullopt;
    return std::unexpected(text.error());
  }
  if (as_text(*text) == "0\n") return 0;
  if (as_text(*text) == "1\n") return 1;
  return failf(Errc::malformed, "{}: found neither 0 nor 1", path.native());
}

Result<std::optional<std::string>> CredentialSlots::current_stem() const {
  TRY(const auto slot, current());
  if (!slot) return std::nullopt;
  return stem(*slot).filename().native();
}

Result<void> CredentialSlots::switch_to(int slot) {
  const std::string text = fmt::format("{}\n", slot);
  TRY_VOID(keystore::atomic_write_file(folder_ / (prefix_ + ".current"), as_bytes(text), keystore::kPublicMode));
  step("switched");
  if (on_switch_) on_switch_();
  return {};
}

// The key goes first: a key without a certificate is one whose request is under way. Durable before anybody uses the
// other slot, so that a power cut never brings back what the gateway has ended meanwhile.
Result<void> CredentialSlots::empty(int slot) {
  const fs::path files[] = {key_file(slot), chain_file(slot)};
  TRY_VOID(keystore::remove_files(files));
  step("old slot emptied");
  return {};
}

Result<std::optional<Credential>> CredentialSlots::load() {
  TRY(const auto in_use, current());
  if (!in_use) {
    // The first certificate was stored and the power went before the switch.
    for (const int slot : {0, 1}) {
      TRY(auto found, find_credential(stem(slot)));
      if (!found) continue;
      TRY_VOID(switch_to(slot));
      return found;
    }
    return std::nullopt;
  }
  const int spare = 1 - *in_use;
  TRY(auto used, find_credential(stem(*in_use)));
  if (!used) return failf(Errc::not_found, "{}: is named as current and incomplete", stem(*in_use).native());
  // A complete spare is the successor that was not switched to, or the predecessor that was not removed.
  if (auto other = find_credential(stem(spare)); other && *other) {
    const bool newer = (*other)->leaf().validity().not_after > used->leaf().validity().not_after;
    if (newer) {
      TRY_VOID(switch_to(spare));
      TRY_VOID(empty(*in_use));
      return std::move(*other);
    }
    TRY_VOID(empty(spare));
  }
  return used;
}

Result<crypto::PrivateKey> CredentialSlots::pending_key() {
  TRY(const auto in_use, current());
  const int spare = in_use ? 1 - *in_use : 0;
  std::error_code ignored;
  if (fs::exists(chain_file(spare), ignored)) TRY_VOID(empty(spare));
  auto kept = keystore::read_private_key_file(key_file(spare));
  if (kept || kept.error().code != Errc::not_found) return kept;
  crypto::PrivateKey made = crypto::PrivateKey::generate();
  TRY_VOID(keystore::write_private_key_file(key_file(spare), made, {}));
  step("key stored");
  return made;
}

Result<Credential> CredentialSlots::store(const std::vector<pki::Certificate>& chain) {
  TRY(const auto in_use, current());
  const int spare = in_use ? 1 - *in_use : 0;
  TRY(const auto key, keystore::read_private_key_file(key_file(spare)));
  if (chain.empty() || !(chain.front().public_key() == key.public_key()))
    return failf(Errc::conflict, "{}: the certificate is not for the pending key", stem(spare).native());
  const std::string pem = pki::encode_certificates_pem(chain);
  TRY_VOID(keystore::atomic_write_file(chain_file(spare), as_bytes(pem), keystore::kPublicMode));
  step("certificate stored");
  TRY_VOID(switch_to(spare));
  if (in_use) TRY_VOID(empty(*in_use));
  TRY(auto stored, find_credential(stem(spare)));
  if (!stored) return failf(Errc::internal, "{}: vanished", stem(spare).native());
  return *std::move(stored);
}

Result<void> CredentialSlots::clear() {
  const fs::path files[] = {folder_ / (prefix_ + ".current"), key_file(0), chain_file(0), key_file(1), chain_file(1)};
  return keystore::remove_files(files);
}

}  // namespace sallyport::agent
