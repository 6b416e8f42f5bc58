// A certificate of the installation, as a node or a caller has it, and what others' certificates are judged by.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "base/names.h"
#include "base/time.h"
#include "crypto/key.h"
#include "crypto/tls.h"
#include "pki/certificate.h"
#include "sealed/caller.h"
#include "sealed/node_channel.h"
#include "sealed/responder.h"
#include "sealed/signed_bundle.h"

namespace sallyport::rpcnode {

// The files of an identity: on a device the links that the agent keeps (device.pem, device.key, device-roots.pem).
struct IdentitySettings {
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
  std::filesystem::path roots_file;
  DnsName zone;
  friend bool operator==(const IdentitySettings&, const IdentitySettings&) = default;
};

// The files of a person's identity, in the folder of `sallyport rpc login`.
inline constexpr std::string_view kPersonCertificateFile = "person.pem";
inline constexpr std::string_view kPersonKeyFile = "person.key";
inline constexpr std::string_view kPersonRootsFile = "person-roots.pem";

// Where `folder` has them: that of a person, or else an agent's state folder.
IdentitySettings identity_in(const std::filesystem::path& folder, DnsName zone);

// A cheap value.
class Identity {
 public:
  // Errors name the file. Errc::conflict when the key is not the certificate's.
  static Result<Identity> read(const IdentitySettings& settings);
  // Without the key, which somebody else has: others are judged, nothing is proven.
  static Identity without_key(sealed::NodeIdentity told);

  const std::vector<pki::Certificate>& chain() const { return chain_; }
  // Null in one without_key().
  const std::shared_ptr<crypto::PrivateKey>& key() const { return key_; }
  const std::vector<pki::Certificate>& roots() const { return roots_; }
  const DnsName& zone() const { return zone_; }

  // The caller behind `chain`, DER, leaf first: "person:<login>" or "device:<name>", once its chain was verified and
  // `signature` is the leaf's over `message`; good until the first certificate of the chain ends. Errc::unauthorized,
  // Errc::expired, Errc::malformed.
  Result<sealed::JudgedCaller> judge(const std::vector<Bytes>& chain, ByteView message, ByteView signature,
                                     UnixTime now) const;
  // The same of a peer that has proven its key by TLS.
  Result<sealed::JudgedCaller> name(const std::vector<Bytes>& chain, UnixTime now) const;
  // What TLS shows: our chain and key, which must be there.
  crypto::TlsIdentity tls() const;
  // The bundle of the node, if `bytes` is one that device `device` signed and it is good at `now`. Errc::unauthorized
  // for another device's.
  Result<sealed::Bundle> open_bundle(ByteView bytes, const sealed::NodeName& node, const DeviceName& device,
                                     UnixTime now) const;
  struct AnyBundle {
    sealed::Bundle bundle;
    DeviceName device;  // that signed it
  };
  // A bundle of whatever node, its times not looked at.
  Result<AnyBundle> open_any_bundle(ByteView bytes, UnixTime now) const;
  // What calls `bundle`'s node with this identity, whose key must be there.
  sealed::CertificateCredential credential(const sealed::Bundle& bundle) const;

 private:
  Identity() = default;
  std::vector<pki::Certificate> chain_;
  std::shared_ptr<crypto::PrivateKey> key_;
  std::vector<pki::Certificate> roots_;
  DnsName zone_;
};

}  // namespace sallyport::rpcnode
