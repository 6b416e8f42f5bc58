#include "agent/state.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "pki/csr.h"
#include "pki/profile.h"
#include "pki/root_chain.h"
#include "pki/verify.h"

namespace sallyport::agent {
namespace {

namespace fs = std::filesystem;

constexpr keystore::StateFormat kFormat{.kind = "agent", .version = 3, .oldest = 3, .made_by = "sallyport-agent init"};
constexpr std::size_t kMaxPemFile = 256U << 10U;
constexpr std::size_t kMaxSmallFile = 16U << 10U;
constexpr std::size_t kClaimCodeBytes = 10;
constexpr std::size_t kClaimCodeGroup = 4;
constexpr std::size_t kDeviceSecretSize = 32;
// Flash wears out: the floor is written at most this often when nothing else changed.
constexpr seconds kFloorStep{3'600};

Result<pki::Certificate> read_root(const fs::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxPemFile));
  TRY(auto certificates, pki::parse_certificates_pem(as_text(pem), 1));
  return certificates.front();
}

// A file that cannot be read is as none: links lead from the pinned root to the others again.
std::vector<pki::Certificate> read_anchors(const fs::path& path, const pki::Certificate& pinned) {
  if (const auto pem = keystore::read_file(path, kMaxPemFile)) {
    auto certificates = pki::parse_certificates_pem(as_text(*pem), pki::kMaxAnchorsInUse);
    if (certificates && !certificates->empty()) return *std::move(certificates);
    log::error("agent.anchors", {{"file", path.native()}, {"found", "no list of roots"}, {"next", "the pinned root"}});
  }
  return {pinned};
}

Result<void> make_if_absent(const fs::path& path, ByteView bytes, mode_t mode) {
  auto made = keystore::create_file(path, bytes, mode);
  if (!made && made.error().code != Errc::conflict) return made;
  return {};
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<void> fill_folder(const keystore::StateFolder& folder, const pki::Certificate& root, Random& random) {
  const pki::Certificate roots[] = {root};
  TRY_VOID(
      make_if_absent(folder.file("root.pem"), as_bytes(pki::encode_certificates_pem(roots)), keystore::kPublicMode));
  TRY_VOID(make_if_absent(folder.file("device-secret"), random.bytes(kDeviceSecretSize), keystore::kSecretMode));
  if (!is_there(folder.file("factory.key"))) {
    TRY_VOID(keystore::write_private_key_file(folder.file("factory.key"), crypto::PrivateKey::generate(), {}));
  }
  std::error_code error;
  fs::create_directory(folder.file("run"), error);
  if (error) return failf(Errc::unavailable, "{}: {}", folder.file("run").native(), error.message());
  return {};
}

Result<Ratchets> read_ratchets(const fs::path& path) {
  const auto bytes = keystore::read_file(path, kMaxSmallFile);
  if (bytes) return parse_ratchets(*bytes);
  if (bytes.error().code == Errc::not_found) return Ratchets();
  return std::unexpected(bytes.error());
}

std::optional<std::uint16_t> port_of_line(std::string_view line) {
  std::uint16_t port = 0;
  const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), port);
  const std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (fault != std::errc() || port == 0 || rest != "\n") return std::nullopt;
  return port;
}

}  // namespace

std::string draw_claim_code(Random& random) {
  const std::string code = codec::encode_base32(random.bytes(kClaimCodeBytes));
  std::string out;
  for (std::size_t at = 0; at < code.size(); at += kClaimCodeGroup) {
    if (at != 0) out += '-';
    out += code.substr(at, kClaimCodeGroup);
  }
  return out;
}

ClaimHash claim_hash(const DeviceName& name, std::string_view code) {
  std::string canonical(code);
  std::erase(canonical, '-');
  crypto::Sha256 hash;
  hash.update(as_bytes("sallyport claim v1")).update(as_bytes(name.get())).update(as_bytes(canonical));
  return std::move(hash).digest();
}

AgentState::AgentState(keystore::StateFolder folder, Settings settings, pki::Certificate root, Ratchets ratchets)
    : folder_(std::move(folder)),
      settings_(std::move(settings)),
      root_(std::move(root)),
      anchors_(read_anchors(folder_.file("anchors.pem"), root_)),
      operational_(folder_.path(), "operational"),
      web_(folder_.path(), "web"),
      ratchets_(std::move(ratchets)),
      written_(ratchets_) {}

Result<AgentState> AgentState::initialise(const fs::path& folder, const Settings& settings,
                                          const pki::Certificate& root, Random& random) {
  TRY(auto open_folder, keystore::StateFolder::open_or_create(folder, kFormat));
  if (is_there(open_folder.file("agent.toml"))) {
    TRY(const auto before, load_settings(open_folder.file("agent.toml")));
    if (before.serial_id != settings.serial_id || before.site != settings.site || before.zone != settings.zone) {
      return failf(Errc::conflict, "{}: is the state of {}.{}, want a folder of its own for every device",
                   folder.native(), before.serial_id.get(), before.site.get());
    }
  }
  TRY_VOID(fill_folder(open_folder, root, random));
  TRY(const auto pinned, read_root(open_folder.file("root.pem")));
  const auto anchors = read_anchors(open_folder.file("anchors.pem"), pinned);
  if (!(pinned == root) && std::ranges::find(anchors, root) == anchors.end())
    return failf(Errc::conflict, "{}: another root is pinned, want none or the same", folder.native());
  const bool has_password = settings.proxy && settings.proxy->credentials && settings.proxy_credentials_file.empty();
  TRY_VOID(keystore::atomic_write_file(open_folder.file("agent.toml"), as_bytes(encode_settings(settings)),
                                       has_password ? keystore::kSecretMode : keystore::kPublicMode));
  TRY(auto ratchets, read_ratchets(open_folder.file("ratchets")));
  return AgentState(std::move(open_folder), settings, pinned, std::move(ratchets));
}

Result<AgentState> AgentState::open(const fs::path& folder) {
  TRY(auto open_folder, keystore::StateFolder::open(folder, kFormat));
  TRY_VOID(keystore::remove_unfinished_files(folder));
  TRY(auto settings, load_settings(open_folder.file("agent.toml")));
  TRY(auto root, read_root(open_folder.file("root.pem")));
  TRY(auto ratchets, read_ratchets(open_folder.file("ratchets")));
  return AgentState(std::move(open_folder), std::move(settings), std::move(root), std::move(ratchets));
}

Result<void> AgentState::check(const fs::path& folder) {
  return keystore::StateFolder::check(folder, kFormat);
}

Result<Bytes> AgentState::factory_request() const {
  TRY(auto key, keystore::read_private_key_file(file("factory.key")));
  TRY(const auto subject, pki::DistinguishedName::of(settings_.serial_id.get()));
  const DnsName name = under(settings_.serial_id.get(), pki::factory_namespace(settings_.site, settings_.zone));
  const std::string names[] = {name.get()};
  return pki::build_csr(key, subject, names);
}

Result<void> AgentState::install_factory_certificate(const std::vector<pki::Certificate>& chain) {
  TRY(const auto key, keystore::read_private_key_file(file("factory.key")));
  if (chain.empty() || !(chain.front().public_key() == key.public_key()))
    return fail(Errc::unauthorized, "factory certificate: is for another key, want that of this device's request");
  const pki::TimeRule rule = pki::TimeRule::floor(ratchets_.time_floor);
  TRY(const auto verified, pki::verify_chain(chain, anchors_, pki::FactoryDevicePurpose{.zone = settings_.zone}, rule));
  const auto& identity = verified.identity_as<pki::FactoryIdentity>();
  if (identity.serial_id != settings_.serial_id || identity.site != settings_.site) {
    return failf(Errc::unauthorized, "factory certificate: found {}.{}, want {}.{}", identity.serial_id.get(),
                 identity.site.get(), settings_.serial_id.get(), settings_.site.get());
  }
  std::vector<pki::Certificate> sent = verified.path();
  sent.pop_back();
  return keystore::atomic_write_file(file("factory.pem"), as_bytes(pki::encode_certificates_pem(sent)),
                                     keystore::kPublicMode);
}

Result<void> AgentState::raise_ratchets(const Ratchets& seen) {
  ratchets_.time_floor = std::max(ratchets_.time_floor, seen.time_floor);
  for (const auto& [key_id, number] : seen.root_crl_numbers) {
    std::uint64_t& kept = ratchets_.root_crl_numbers[key_id];
    kept = std::max(kept, number);
  }
  for (const auto& [key_id, not_before] : seen.signer_not_before) {
    UnixTime& kept = ratchets_.signer_not_before[key_id];
    kept = std::max(kept, not_before);
  }
  while (ratchets_.signer_not_before.size() > kMaxRatchetSigners) {
    ratchets_.signer_not_before.erase(
        std::ranges::min_element(ratchets_.signer_not_before, {}, [](const auto& entry) { return entry.second; }));
  }
  const bool rose = ratchets_.root_crl_numbers != written_.root_crl_numbers ||
                    ratchets_.signer_not_before != written_.signer_not_before ||
                    ratchets_.time_floor - written_.time_floor >= kFloorStep;
  if (!rose) return {};
  TRY_VOID(keystore::atomic_write_file(file("ratchets"), encode_ratchets(ratchets_), keystore::kPublicMode));
  written_ = ratchets_;
  return {};
}

Result<std::optional<std::string>> AgentState::find_claim_code() const {
  const auto text = keystore::read_secret_file(file("claim-code"), kMaxSmallFile);
  if (!text && text.error().code == Errc::not_found) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  const std::string_view line = as_text(text->expose());
  return std::string(line.substr(0, line.find('\n')));
}

Result<std::string> AgentState::claim_code(Random& random) {
  TRY(auto found, find_claim_code());
  if (found) return *std::move(found);
  std::string code = draw_claim_code(random);
  TRY_VOID(keystore::atomic_write_file(file("claim-code"), as_bytes(code + "\n"), keystore::kSecretMode));
  return code;
}

Result<void> AgentState::acknowledge_claim(const ClaimHash& hash) {
  if (is_claim_acknowledged(hash)) return {};
  return keystore::atomic_write_file(file("claim-acknowledged"), as_bytes(codec::encode_hex(hash) + "\n"),
                                     keystore::kPublicMode);
}

bool AgentState::is_claim_acknowledged(const ClaimHash& hash) const {
  const auto text = keystore::read_file(file("claim-acknowledged"), kMaxSmallFile);
  return text && as_text(*text) == codec::encode_hex(hash) + "\n";
}

Result<void> AgentState::forget_claim_code() {
  const fs::path files[] = {file("claim-code"), file("claim-acknowledged")};
  return keystore::remove_files(files);
}

std::uint16_t AgentState::public_port() const {
  if (settings_.public_port) return *settings_.public_port;
  const auto text = keystore::read_file(file("public-port"), kMaxSmallFile);
  const auto told = text ? port_of_line(as_text(*text)) : std::nullopt;
  return told.value_or(settings_.relay_address.port);
}

Result<void> AgentState::remember_public_port(std::uint16_t port) {
  const std::string line = fmt::format("{}\n", port);
  const auto kept = keystore::read_file(file("public-port"), kMaxSmallFile);
  if (kept && as_text(*kept) == line) return {};
  return keystore::atomic_write_file(file("public-port"), as_bytes(line), keystore::kPublicMode);
}

// What cannot be read is learnt again.
WayMemory AgentState::way_memory() const {
  const auto text = keystore::read_file(file("ways-out"), kMaxWayMemory);
  auto memory = text ? parse_way_memory(*text) : Result<WayMemory>(WayMemory());
  return memory ? *std::move(memory) : WayMemory();
}

Result<void> AgentState::remember_ways(const WayMemory& memory) const {
  return keystore::atomic_write_file(file("ways-out"), as_bytes(encode_way_memory(memory)), keystore::kPublicMode);
}

Result<SecretBytes> AgentState::resumption() const {
  return keystore::read_secret_file(file("resumption"), kMaxResumptionFile);
}

Result<void> AgentState::remember_resumption(const SecretBytes& resumption) const {
  return keystore::atomic_write_file(file("resumption"), resumption.expose(), keystore::kSecretMode);
}

Result<void> AgentState::forget_resumption() const {
  const fs::path files[] = {file("resumption")};
  return keystore::remove_files(files);
}

Result<SecretBytes> AgentState::device_secret() const {
  TRY(auto secret, keystore::read_secret_file(file("device-secret"), kMaxSmallFile));
  if (secret.size() != kDeviceSecretSize)
    return failf(Errc::malformed, "device-secret: {} bytes, want {}", secret.size(), kDeviceSecretSize);
  return secret;
}

bool AgentState::remote_access() const {
  const auto text = keystore::read_file(file("remote-access"), kMaxSmallFile);
  if (text) return as_text(*text) == "on\n";
  return text.error().code == Errc::not_found && settings_.remote_access;
}

Result<void> AgentState::set_remote_access(bool on) {
  return keystore::atomic_write_file(file("remote-access"), as_bytes(on ? "on\n" : "off\n"), keystore::kPublicMode);
}

Result<std::set<ServiceName>> AgentState::closed_services() const {
  std::set<ServiceName> out;
  const auto text = keystore::read_file(file("services-closed"), kMaxSmallFile);
  if (!text && text.error().code == Errc::not_found) return out;
  if (!text) return std::unexpected(text.error());
  std::string_view rest = as_text(*text);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    auto name = parse_service_name(rest.substr(0, end));
    if (!name || end == std::string_view::npos)
      return failf(Errc::malformed, "{}: want a service's name in each line", file("services-closed").native());
    out.insert(*std::move(name));
    rest.remove_prefix(end + 1);
  }
  return out;
}

Result<void> AgentState::set_closed_services(const std::set<ServiceName>& closed) {
  std::string text;
  for (const ServiceName& name : closed) text += name.get() + "\n";
  return keystore::atomic_write_file(file("services-closed"), as_bytes(text), keystore::kPublicMode);
}

Result<void> AgentState::reset() {
  const fs::path node_keys[] = {node_folder() / "keys.json"};
  if (is_there(node_keys[0])) TRY_VOID(keystore::remove_files(node_keys));
  TRY_VOID(operational_.clear());
  TRY_VOID(web_.clear());
  TRY_VOID(forget_claim_code());
  const fs::path files[] = {file("device.key"),
                            file("device.pem"),
                            file("password"),
                            file("remote-access"),
                            file("services-closed"),
                            file("public-port"),
                            file("ways-out"),
                            file("resumption"),
                            file("operational.tlog-proof"),
                            file("operational.log-key.pem"),
                            file("web.tlog-proof"),
                            file("web.log-key.pem"),
                            file("telemetry.db"),
                            file("telemetry.db-wal"),
                            file("telemetry.db-shm")};
  return keystore::remove_files(files);
}

}  // namespace sallyport::agent
