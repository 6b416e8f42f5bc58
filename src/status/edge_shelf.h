// A keyless edge without its sockets: what a status host has signed, verified piece by piece and handed out as it came
// (docs/operate/edges.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "pki/verify.h"
#include "status/crl_shelf.h"
#include "status/presigned.h"
#include "status/responder.h"

namespace sallyport::status {

// Not thread-safe. Holds no key and signs nothing.
class EdgeShelf {
 public:
  // `roots` are those that are trusted, newest first. Borrows the clock.
  EdgeShelf(const Clock& clock, std::vector<pki::Certificate> roots) : clock_(clock), roots_(std::move(roots)) {}

  struct Taken {
    std::size_t answers = 0;  // that were new
    std::size_t refused = 0;  // CAs, root CRLs and answers that did not prove themselves
  };
  // Takes what proves itself: CAs that a root has signed and no root CRL lists, root CRLs whose number does not fall,
  // and answers of those CAs' delegates that are in their window and not older than the ones at hand. Everything else
  // is left out, one by one. Answers of a CA that is gone or listed now are forgotten.
  Taken take(const Presigned& presigned);
  // The lists of `presigned` that are newer than those at hand, of CAs that were taken.
  std::vector<PresignedList> wanted_lists(const Presigned& presigned) const;
  // Under what name the CRL of a CA is asked for; absent for one that was not taken.
  std::optional<std::string> file_of(const records::CaName& ca) const;
  // Puts a CRL that was fetched in its place. Fails as CrlShelf::put() does.
  Result<void> put_list(const records::CaName& ca, Bytes der);

  // Never fails. A question with a nonce is tryLater: no answer without it is one to that question, and "unauthorized"
  // (RFC 5019 §2.2.3) would tell the client not to ask again, here or elsewhere. TryLater, too, for all that is not at
  // hand or past its window.
  Answer answer(ByteView request);
  // Null where there is none; of "online-ca", "online-ca-<key identifier>", … (status::ListNames).
  const ServedCrl* find_list(std::string_view name) const;
  // DER, of "root" (the oldest root's) or "root-<key identifier>".
  std::optional<Bytes> find_root_crl(std::string_view name) const;
  // DER of a CA's certificate.
  std::optional<Bytes> find_ca(std::string_view name) const;

  std::size_t answer_count() const { return answers_.size(); }
  // Until when the answer that lasts longest lasts; absent without any.
  std::optional<UnixTime> good_until() const;
  const Responder::Counters& counters() const { return counters_; }

 private:
  struct Ca {
    records::CaName name;
    pki::Certificate certificate;
  };
  struct Held {
    Answer answer;
    UnixTime produced_at;
    crypto::Sha256Digest ca_key{};
  };

  std::size_t take_root_crls(const std::vector<Bytes>& ders);
  std::size_t take_cas(const std::vector<records::SnapshotCa>& cas);
  bool is_listed(const pki::Certificate& ca) const;
  const Ca* find_issuer(const pki::CertId& id) const;
  // Whether it was new; absent when it does not prove itself.
  std::optional<bool> take_answer(const Bytes& der);
  Answer refuse(pki::OcspResponseStatus status);

  const Clock& clock_;
  std::vector<pki::Certificate> roots_;
  std::vector<pki::VerifiedCrl> root_crls_;
  std::vector<Ca> cas_;
  std::map<Bytes, Held> answers_;  // by encoded CertID
  CrlShelf lists_;
  ListNames list_names_;
  Responder::Counters counters_;
};

}  // namespace sallyport::status
