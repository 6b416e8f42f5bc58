// A role's link to the authority: verified snapshots, the lease, calls, and certificates for keys of its own
// (ADR 0006).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "crypto/tls.h"
#include "net/rpc_link.h"
#include "net/timer.h"
#include "pki/verify.h"
#include "records/role_messages.h"
#include "records/snapshot.h"

namespace sallyport::rolelink {

struct Settings {
  std::string role;            // "relay", "gateway", "status", "console"
  std::uint32_t instance = 0;  // of several processes of the role, this one
  std::string authority_socket;
  pki::Certificate root;                           // the anchor of everything
  std::vector<pki::Certificate> older_roots = {};  // that are still trusted beside it, newest first
  // What else is known against whoever signs snapshots; may be empty. Must not block.
  std::function<pki::Verdict<void>(const pki::VerifiedChain& signer)> judge_signer = {};
};

// What the role is told, on the link's thread. Each may be empty and must not block.
struct Events {
  // After every change that was verified and applied, before it is acknowledged: what it ends must be ended in here.
  std::function<void(const records::SnapshotState& state, const records::SnapshotChange& change)> on_snapshot;
  std::function<void(ByteView sealed)> on_grant;
  std::function<void(const records::CutEvent& cut)> on_cut;
  std::function<void(std::string_view json)> on_admin_event;
  // A connection was made and subscribed: what the authority knows only from this role must be told again.
  std::function<void()> on_subscribed;
  std::function<void()> on_disconnect;
};

// A role without a lease keeps live sessions at most this long (docs/threat-model.md, P5).
inline constexpr seconds kSessionsWithoutLease{900};
inline constexpr milliseconds kCallLimit{15'000};
inline constexpr milliseconds kCertificateRetry{2'000};

// One thread. Connects when it is made, and again whenever the connection breaks. Borrows clock and random for its
// lifetime.
class RoleLink {
 public:
  RoleLink(net::Executor executor, const Clock& clock, Random& random, Settings settings, Events events);
  ~RoleLink();
  RoleLink(const RoleLink&) = delete;
  RoleLink& operator=(const RoleLink&) = delete;

  // The newest verified state; number 0 before the first.
  const records::SnapshotState& snapshot() const;
  const pki::Certificate& root() const;
  // Every root that is trusted, newest first.
  const std::vector<pki::Certificate>& anchors() const;
  // The snapshot's CRLs that are good by `time`, each of one of the anchors.
  std::vector<pki::VerifiedCrl> root_crls(const pki::TimeRule& time) const;
  // Whether new sessions may be admitted now.
  bool has_lease() const;
  // Asks judge_signer about the signer of the present snapshot again. Refused, the lease ends, and there is none until
  // a snapshot of another signer was taken.
  void recheck_signer();
  // How long there has been none; zero while there is one.
  seconds without_lease() const;
  // Returns when there is a lease for the first time.
  net::Task<void> until_ready();

  // The certificate as the snapshot has it, or, once, as the authority answers about one the snapshot lacks.
  // Errc::not_found when it was never issued.
  net::Task<Result<records::SnapshotCertificate>> find_certificate(records::CaName ca, pki::SerialNumber serial);

  net::Task<Result<Bytes>> call(records::RoleMethod method, Bytes fields, net::Deadline deadline = kCallLimit);

  // Makes a key and has the authority certify it: server (shown to devices and browsers) or role.
  net::Task<Result<crypto::TlsIdentity>> obtain_certificate(records::CertificateKind kind);
  // The same, again and again: first when the authority first answers, then at two thirds of each lifetime, for ever.
  net::Task<void> keep_certificate(records::CertificateKind kind, std::function<void(crypto::TlsIdentity)> use);

  struct OcspSigner {
    std::shared_ptr<crypto::PrivateKey> key;
    pki::Certificate certificate;
  };
  // status alone: a new delegate for `ca`.
  net::Task<Result<OcspSigner>> obtain_ocsp_signer(records::CaName ca);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rolelink
