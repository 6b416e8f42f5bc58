// The agent's folder. Every write is whole or absent after a power cut; what ratchets never falls.
//
//   version lock           keystore::StateFolder
//   agent.toml             settings.h
//   root.pem               the root that was pinned when the folder was made; never written again
//   anchors.pem            the roots that are trusted now, newest first, once links led to another
//   factory.{key,pem}      from the factory; operational.*, web.*: credential_slots.h
//   *.tlog-proof *.log-key.pem log-checkpoint   log_witness.h
//   root-<key id>.crl      the newest CRL seen of each of these roots (DER)
//   ratchets               time floor and status signers, below
//   claim-code             shown to the owner, drawn anew after every claim and every reset
//   claim-acknowledged     SHA-256 of it, hexadecimal, as the gateway acknowledged it last
//   ways-out               what was learnt of the ways out of the device's networks: way_memory.h
//   resumption             how it comes back to the relay without its certificate: resumptions.h
//   public-port            of the installation, decimal, as the gateway told it last
//   device-secret          32 bytes, of which the default password is made
//   password               verifier of the password that replaced the default one
//   remote-access          "on" or "off", once somebody changed the switch on the device
//   services-closed        the names of services that were closed on the device, one a line
//   telemetry.db           store::open_telemetry_queue
//   run/agent.sock         the running agent (local_api.h)
//   device.key device.pem device-roots.pem   links, for other programs: refresh_links()
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/credential_slots.h"
#include "agent/settings.h"
#include "agent/way_memory.h"
#include "base/random.h"
#include "base/secret.h"
#include "keystore/state_folder.h"
#include "pki/crl.h"

namespace sallyport::agent {

// What is remembered of the status service, so that nobody leads the device back in time.
struct Ratchets {
  UnixTime time_floor;                              // it is at least this late
  std::map<Bytes, std::uint64_t> root_crl_numbers;  // the highest seen, by subject key id of the root
  std::map<Bytes, UnixTime> signer_not_before;      // by subject key id of the CA that the signer answers for
  friend bool operator==(const Ratchets&, const Ratchets&) = default;
};
inline constexpr std::size_t kMaxRatchetSigners = 16;
inline constexpr std::size_t kMaxRatchetRoots = 8;
inline constexpr std::size_t kMaxResumptionFile = 128U * 1024U;
Bytes encode_ratchets(const Ratchets& ratchets);
// Errc::malformed.
Result<Ratchets> parse_ratchets(ByteView bytes);

// Draws a claim code of 80 bits: "abcd-efgh-ijkl-mnop", base32.
std::string draw_claim_code(Random& random);
// SHA-256("sallyport claim v1" ‖ name ‖ code without hyphens, in lower case): what the authority compares.
using ClaimHash = std::array<std::uint8_t, 32>;
ClaimHash claim_hash(const DeviceName& name, std::string_view code);

// An open folder, locked until it ends. Not thread-safe.
class AgentState {
 public:
  // Makes the folder with its first files, or, when it holds the same device already, rewrites agent.toml and keeps the
  // rest. Errc::conflict for another device or another root.
  static Result<AgentState> initialise(const std::filesystem::path& folder, const Settings& settings,
                                       const pki::Certificate& root, Random& random);
  static Result<AgentState> open(const std::filesystem::path& folder);
  // Whether open() would know the folder's version, without its lock: keystore::StateFolder::check.
  static Result<void> check(const std::filesystem::path& folder);

  const Settings& settings() const { return settings_; }
  // Settings::use_environment. For whoever opened the folder, before anything looks at the settings.
  Result<void> use_environment(const ProxyVariables& variables) { return settings_.use_environment(variables); }
  // The root that was pinned when the folder was made.
  const pki::Certificate& root() const { return root_; }
  // The roots that are trusted: the newest, and the one before it for as long as the installation has both.
  const std::vector<pki::Certificate>& anchors() const { return anchors_; }
  // Trusts these from now on: what pki::follow_root_links found. Durable when it returns; a power cut leaves the roots
  // of before or these. Errc::malformed for none or too many.
  Result<void> take_anchors(std::vector<pki::Certificate> anchors);
  // Whether the operational credential was issued below this root: while it is, the next one may be as well.
  Result<bool> has_credential_below(const pki::Certificate& root);
  std::filesystem::path file(std::string_view name) const { return folder_.file(name); }
  // Where the device's node has its files, if there is one.
  std::filesystem::path node_folder() const {
    return settings_.node.folder.empty() ? file("rpc") : settings_.node.folder;
  }
  std::filesystem::path socket() const { return folder_.file("run") / "agent.sock"; }

  // The CSR that the factory signs.
  Result<Bytes> factory_request() const;
  // Installs what the factory signed; it must be for the factory key and this serial id.
  Result<void> install_factory_certificate(const std::vector<pki::Certificate>& chain);
  Result<std::optional<Credential>> factory() const { return find_credential(file("factory")); }
  CredentialSlots& operational() { return operational_; }
  CredentialSlots& web() { return web_; }

  // Has device.key and device.pem lead to the operational credential in use and device-roots.pem to the roots that are
  // trusted: names that stay while keys and roots change, for programs of the device beside the agent (OpenVPN). What
  // is not there yet gets no name. The two of the credential change one right after the other, before the old one is
  // removed (CredentialSlots::on_switch).
  Result<void> refresh_links() const;

  // The newest root's CRL as last stored, and those of all anchors; nothing about them is proven again.
  std::optional<pki::Crl> root_crl() const { return find_root_crl(anchors_.front()); }
  std::vector<pki::Crl> root_crls() const;
  std::optional<pki::Crl> find_root_crl(const pki::Certificate& root) const;
  Result<void> store_root_crl(const pki::VerifiedCrl& crl);
  const Ratchets& ratchets() const { return ratchets_; }
  // Raises what is higher in `seen`; the file is written when something but the time rose, or the time by an hour.
  Result<void> raise_ratchets(const Ratchets& seen);

  // The claim code; draws one where there is none.
  Result<std::string> claim_code(Random& random);
  // The claim code that is there.
  Result<std::optional<std::string>> find_claim_code() const;
  // Durable when it returns: the gateway knows this hash.
  Result<void> acknowledge_claim(const ClaimHash& hash);
  bool is_claim_acknowledged(const ClaimHash& hash) const;
  // The code was used: the next one will be another.
  Result<void> forget_claim_code();
  // The port that browsers see: that of the settings, else the last that was told, else the relay's.
  std::uint16_t public_port() const;
  Result<void> remember_public_port(std::uint16_t port);
  // What was learnt of the ways out; empty where nothing was, or the file is none of ours.
  WayMemory way_memory() const;
  Result<void> remember_ways(const WayMemory& memory) const;
  // How to come back to the relay, as resumptions.h writes it. Errc::not_found for none.
  Result<SecretBytes> resumption() const;
  Result<void> remember_resumption(const SecretBytes& resumption) const;
  Result<void> forget_resumption() const;
  Result<SecretBytes> device_secret() const;
  // The local switch: what somebody set on the device, else what the settings say.
  bool remote_access() const;
  Result<void> set_remote_access(bool on);
  // The services that were closed on the device. Fails when the file is none of ours: then none is open.
  Result<std::set<ServiceName>> closed_services() const;
  Result<void> set_closed_services(const std::set<ServiceName>& closed);
  // Forgets credentials, claim code, password, switches, the API keys of its node and telemetry that was not sent,
  // which are its owner's; the factory certificate, root and ratchets stay.
  Result<void> reset();

 private:
  AgentState(keystore::StateFolder folder, Settings settings, pki::Certificate root, Ratchets ratchets);
  static std::string crl_file_name(const pki::Certificate& root);

  keystore::StateFolder folder_;
  Settings settings_;
  pki::Certificate root_;
  std::vector<pki::Certificate> anchors_;  // never empty
  CredentialSlots operational_;
  CredentialSlots web_;
  Ratchets ratchets_;
  Ratchets written_;
};

}  // namespace sallyport::agent
