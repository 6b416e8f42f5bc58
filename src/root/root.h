// The offline root: signs the CAs below it and its CRL, and nothing else. Every act is in the journal before its result
// leaves the folder.
//
//   <folder>/root.toml        name
//   <folder>/root.key         encrypted under the passphrase      root.pem   its certificate
//   <folder>/next-root.key    the next root's key, encrypted      next-root.pem   its public key, pinned by root.pem
//   <folder>/root.crl         the newest CRL
//   <folder>/root-1.{key,pem,crl}   of the first root, after a rollover; root-2.* of the second, …
//   <folder>/root-link-2.pem  the second root's key under the first, …
//   <folder>/rollover/        of a rollover that was interrupted
//   <folder>/issued/<serial>.pem
//   <folder>/journal          root/journal.h
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/key.h"
#include "keystore/state_folder.h"
#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/csr.h"
#include "pki/issue.h"
#include "root/journal.h"
#include "root/request.h"

namespace sallyport::root {

// Version 3: may hold more than one root.
inline constexpr keystore::StateFormat kRootFormat{
    .kind = "root", .version = 3, .oldest = 2, .made_by = "sallyport root init"};
inline constexpr std::size_t kMinPassphrase = 8;
// How long a root CRL may be in force.
inline constexpr seconds kShortestCrl = 35 * kDay;
inline constexpr seconds kUsualCrl = 90 * kDay;
inline constexpr seconds kLongestCrl = 400 * kDay;

// A key and certificate made elsewhere.
struct BroughtRoot {
  crypto::PrivateKey key;
  pki::Certificate certificate;
};
struct NewRoot {
  std::string name;  // of the installation or its owner, shown in every CA's subject; 1 to 40 characters
  SecretBytes passphrase;
  std::optional<BroughtRoot> brought;
};
// Makes the root; its first CRL is sign_crl's. Errc::unauthorized for a passphrase too short or a brought certificate
// that cannot be our root (not self-signed, no CA, path length 0, another key); Errc::conflict when the folder holds a
// root already.
Result<void> initialise_root(const keystore::StateFolder& folder, NewRoot root, const Clock& clock, Random& random);

// A CA that the root has signed, or was about to sign when it was interrupted.
struct SignedCa {
  std::string ca_name;
  pki::SerialNumber serial;
  crypto::Sha256Digest spki{};
  bool is_issued = false;
  std::uint32_t generation = 1;  // of the root that signed it
  std::optional<UnixTime> revoked_at;
  pki::RevocationReason reason = pki::RevocationReason::unspecified;
};

// One root of this folder: the newest, or one that it has replaced.
struct RootGeneration {
  std::uint32_t number = 1;  // 1: made by init
  pki::Certificate certificate;
  std::optional<pki::Certificate> link;  // its key under the root before; absent for the first
  std::uint64_t crl_number = 0;          // the highest number any CRL of this key may carry; 0 before the first
};

// What a rollover would make, for the operator to see.
struct ProposedRollover {
  std::uint32_t generation = 0;
  std::string common_name;
  crypto::Sha256Digest key{};  // of the next root, as the present one pins it
  pki::Validity validity;
  pki::Validity link_validity;
};

// What the root would sign, for the operator to see. Made by Root::propose alone.
class ProposedCa {
 public:
  const CaPlan& plan() const { return plan_; }
  const std::string& common_name() const { return common_name_; }
  const pki::Validity& validity() const { return validity_; }
  const crypto::PublicKey& key() const { return request_.public_key; }
  // Set when this key was signed as this CA before: signing then hands out that certificate again.
  const std::optional<pki::SerialNumber>& signed_before() const { return signed_before_; }

 private:
  friend class Root;
  ProposedCa(CaPlan plan, std::string common_name, pki::Validity validity, pki::CertificateRequest request,
             std::optional<std::string> crl_url, std::optional<pki::SerialNumber> signed_before)
      : plan_(std::move(plan)),
        common_name_(std::move(common_name)),
        validity_(validity),
        request_(std::move(request)),
        crl_url_(std::move(crl_url)),
        signed_before_(std::move(signed_before)) {}
  CaPlan plan_;
  std::string common_name_;
  pki::Validity validity_;
  pki::CertificateRequest request_;
  std::optional<std::string> crl_url_;
  std::optional<pki::SerialNumber> signed_before_;
};

struct Revocation {
  pki::SerialNumber serial;
  pki::RevocationReason reason = pki::RevocationReason::unspecified;
};

// What an order of the root would revoke, for the operator to see. Made by Root::propose_order alone.
class ProposedOrder {
 public:
  const std::string& ca_name() const { return ca_.ca_name; }
  const pki::SerialNumber& ca_serial() const { return ca_.serial; }
  // Absent: the CA itself, with everything below it.
  const std::optional<pki::Certificate>& certificate() const { return certificate_; }
  pki::RevocationReason reason() const { return reason_; }

 private:
  friend class Root;
  ProposedOrder(SignedCa ca, std::optional<pki::Certificate> certificate, std::string installation,
                pki::RevocationReason reason)
      : ca_(std::move(ca)),
        certificate_(std::move(certificate)),
        installation_(std::move(installation)),
        reason_(reason) {}
  SignedCa ca_;
  std::optional<pki::Certificate> certificate_;
  std::string installation_;
  pki::RevocationReason reason_;
};

// An order and the CRLs that go with it.
struct SignedOrder {
  std::uint64_t number = 0;
  Bytes sealed;                // pki/root_order.h
  std::vector<pki::Crl> crls;  // newest root first; none when a CA's certificate was revoked, not a CA
};

// An existing root. Not thread-safe.
class Root {
 public:
  // Errc::not_found before initialise_root was complete; Errc::malformed when the journal contradicts itself. `clock`
  // and `random` must outlive it.
  static Result<Root> open(keystore::StateFolder folder, const Clock& clock, Random& random);

  // Replaces the newest root by the one whose key it pins: the new root's certificate, the link, a key for the root
  // after it, all under `passphrase`. `next_key` is where the pinned key lies when it was moved out of the folder. A
  // crash at any point leaves the old state, or the new one as soon as the folder is opened again. Errc::unauthorized
  // when nothing is pinned, the key is another or the passphrase wrong.
  static Result<Root> roll_over(Root before, ByteView passphrase, const std::optional<std::filesystem::path>& next_key);
  Result<ProposedRollover> propose_rollover() const;

  const std::string& name() const { return name_; }
  // The newest root's.
  const pki::Certificate& certificate() const { return generations_.back().certificate; }
  // Oldest first.
  const std::vector<RootGeneration>& generations() const { return generations_; }
  const std::vector<SignedCa>& signed_cas() const { return signed_cas_; }
  // The highest number any CRL of the newest root may carry; 0 before the first.
  std::uint64_t crl_number() const { return generations_.back().crl_number; }
  const Journal& journal() const { return journal_; }
  // The newest CRL. Errc::conflict when the file is older than the journal says.
  Result<pki::Crl> load_crl() const;
  // The newest CRL of every root, newest root first. An older root whose CRL is not there any more has none.
  Result<std::vector<pki::Crl>> load_crls() const;

  // Decrypts the newest root's key. Errc::unauthorized on a wrong passphrase.
  Result<crypto::PrivateKey> unlock(ByteView passphrase) const { return unlock(generations_.back(), passphrase); }
  // Errc::not_found for an older root whose key was taken away.
  Result<crypto::PrivateKey> unlock(const RootGeneration& generation, ByteView passphrase) const;

  // Says what would be signed for a request file of that stem.
  Result<ProposedCa> propose(std::string_view file_stem, ByteView csr, const RequestFacts& facts) const;
  // Signs, or returns what was signed before.
  Result<pki::Certificate> sign(const ProposedCa& proposed, crypto::PrivateKey& key);

  // Signs a CRL of the root whose key this is, with a number never used before, in force from now for `lifetime`, after
  // adding `revocation`. Errc::not_found when that serial is not of a CA signed here; revoking again changes nothing.
  // Errc::malformed outside the lifetimes above.
  Result<pki::Crl> sign_crl(crypto::PrivateKey& key, seconds lifetime, const std::optional<Revocation>& revocation);
  // The same for every root whose key is here, newest first. Errc::not_found also when the CA to be revoked is of a
  // root whose key is not here.
  Result<std::vector<pki::Crl>> sign_crls(ByteView passphrase, seconds lifetime,
                                          const std::optional<Revocation>& revocation);

  // Says what an order would revoke. Of a CA, by its name (there must be one of it that is not revoked) or by its
  // serial, hexadecimal: Errc::not_found, Errc::conflict. Of a certificate: Errc::unauthorized unless a CA that was
  // signed here issued it, and where no status service could tell of it (a factory's, a CA). An installation's name is
  // that of this root unless told otherwise.
  Result<ProposedOrder> propose_order_on_ca(std::string_view ca, pki::RevocationReason reason,
                                            const std::optional<std::string>& installation) const;
  Result<ProposedOrder> propose_order_on_certificate(const pki::Certificate& certificate, pki::RevocationReason reason,
                                                     const std::optional<std::string>& installation) const;
  // Signs it with the newest root's key, under a number never used before. A CA is put on its root's CRL first, and
  // CRLs are made as sign_crls() does.
  Result<SignedOrder> sign_order(const ProposedOrder& proposed, ByteView passphrase, seconds crl_lifetime);
  // The number of the last order; 0 before the first.
  std::uint64_t order_number() const { return order_number_; }

 private:
  Root(keystore::StateFolder folder, Journal journal, std::vector<RootGeneration> generations, std::string name,
       const Clock& clock, Random& random);
  Result<void> replay(const JournalEntry& entry);
  Result<void> replay_crl(const JournalEntry& entry);
  Result<void> replay_rollover(const JournalEntry& entry);
  Result<void> replay_order(const JournalEntry& entry);
  std::optional<std::string> crl_url_of(const RequestFacts& facts) const;
  std::filesystem::path file_of(const RootGeneration& generation, std::string_view extension) const;
  Result<void> stage_rollover(ByteView passphrase, const std::optional<std::filesystem::path>& next_key);
  Result<void> record(std::string_view act, std::vector<std::pair<std::string, std::string>> fields);
  Result<void> revoke(const Revocation& revocation);
  Result<pki::Certificate> read_issued(const SignedCa& ca) const;

  keystore::StateFolder folder_;
  Journal journal_;
  std::vector<RootGeneration> generations_;  // never empty
  std::string name_;
  const Clock& clock_;
  Random& random_;
  std::vector<SignedCa> signed_cas_;
  std::uint64_t order_number_ = 0;
  std::uint32_t replayed_ = 1;  // the generation that signs where the journal has been read to
};

// Reads and writes reasons as `--reason` takes them: "key-compromise", "superseded", …; read in the spelling of RFC
// 5280 §5.3.1 ("keyCompromise") as well.
Result<pki::RevocationReason> parse_reason(std::string_view text);
std::string_view reason_text(pki::RevocationReason reason);

}  // namespace sallyport::root
