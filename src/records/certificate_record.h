// What the installation keeps of every certificate that any CA of it issued or meant to issue.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/strong.h"
#include "base/time.h"

namespace sallyport::records {

// Which CA, as the installation names it: "root", "online-ca", "server-ca", "web-ca", "people-ca", "roles-ca",
// "control-ca", "local-ca/<site>".
using CaName = Strong<std::string, struct CaNameTag>;
CaName local_ca_name(std::string_view site);
// A CA that a younger one of the same name has replaced, while what it issued lives: "online-ca@<serial>"; in the same
// way older roots ("root@<serial>") and the links between roots ("root-link@<serial>"). Certificates are recorded under
// the name alone, whichever of the two issued them.
CaName older_ca_name(std::string_view ca, std::string_view serial_hex);
bool is_older(const CaName& ca);
// "online-ca" of either.
CaName base_name(const CaName& ca);
inline constexpr std::string_view kRootLink = "root-link";
// A root that is trusted no more: what it signed is in the log for ever.
inline constexpr std::string_view kRetiredRoot = "retired-root";
// The site of a local CA's name, absent for any other CA.
std::optional<std::string> site_of(const CaName& ca);

// A certificate serial number: the content octets of the INTEGER, 1 to 20 of them, positive (RFC 5280 §4.1.2.2).
using CertificateSerial = Strong<Bytes, struct CertificateSerialTag>;

using Digest = std::array<std::uint8_t, 32>;

// intent: the serial is taken and a signature may exist; issued: signed and recorded; void_intent: an intent that no
// signature followed; revoked. DO NOT CHANGE THESE VALUES: they are stored.
enum class CertificateState : std::uint8_t { intent = 1, issued = 2, void_intent = 3, revoked = 4 };

// What a certificate is for. DO NOT CHANGE THESE VALUES: they are stored and travel in snapshots.
enum class CertificateKind : std::uint8_t {
  ca = 1,
  factory = 2,      // subject: "<serial id>.<site>"
  operational = 3,  // subject: device name
  web = 4,          // subject: device name
  server = 5,       // subject: role
  role = 6,         // subject: role
  person = 7,       // subject: login
  control = 8,      // subject: kind of object signed
  ocsp_signer = 9,  // subject: CA name
};

// RFC 5280 §5.3.1 reason codes that we use.
enum class RevocationReason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  ca_compromise = 2,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
};

struct CertificateRecord {
  CaName ca;
  CertificateSerial serial;
  CertificateKind kind{};
  CertificateState state = CertificateState::intent;
  std::string subject;
  Digest spki_sha256{};
  Bytes der;  // empty until issued
  UnixTime not_before;
  UnixTime not_after;
  UnixTime recorded_at;
  std::optional<UnixTime> revoked_at;
  RevocationReason reason = RevocationReason::unspecified;
};

struct NumberedCertificate {
  std::uint64_t number = 0;  // rises in the order of recording, with gaps
  CertificateRecord record;
};

// Every call is part of the transaction of the Records it belongs to.
class CertificateStore {
 public:
  virtual ~CertificateStore() = default;

  // Takes the serial for an issuance that is about to be signed. Errc::conflict when this CA has used it.
  virtual Result<void> record_intent(const CertificateRecord& record) = 0;
  // Completes an intent. Errc::not_found without one.
  virtual Result<void> record_issued(const CaName& ca, const CertificateSerial& serial, ByteView der) = 0;
  // Marks an intent as followed by no signature.
  virtual Result<void> void_intent(const CaName& ca, const CertificateSerial& serial) = 0;
  // Idempotent: a certificate that is revoked already keeps its first time and reason. Errc::not_found when it was
  // never recorded.
  virtual Result<void> revoke(const CaName& ca, const CertificateSerial& serial, UnixTime at,
                              RevocationReason reason) = 0;

  virtual Result<std::optional<CertificateRecord>> find(const CaName& ca, const CertificateSerial& serial) const = 0;
  // The newest that is issued and not revoked, with this key.
  virtual Result<std::optional<CertificateRecord>> find_by_spki(CertificateKind kind,
                                                                const Digest& spki_sha256) const = 0;
  // Newest first, whatever their state but void.
  virtual Result<std::vector<CertificateRecord>> list_by_spki(CertificateKind kind,
                                                              const Digest& spki_sha256) const = 0;
  // Newest first, whatever their state but void.
  virtual Result<std::vector<CertificateRecord>> list_by_subject(CertificateKind kind,
                                                                 std::string_view subject) const = 0;
  virtual Result<std::vector<CertificateRecord>> list_by_state(CertificateState state, std::size_t limit) const = 0;
  // All that were issued or revoked since the change number `after`, in order of change, at most `limit`; see
  // Records::change_number.
  virtual Result<std::vector<CertificateRecord>> changed_after(std::uint64_t after, std::size_t limit) const = 0;
  // Calls `visit` with each of the same, without its DER, so that no list of them is ever held; ends with the first
  // error that it returns.
  virtual Result<void> visit_changed(std::uint64_t after,
                                     const std::function<Result<void>(const CertificateRecord&)>& visit) const = 0;
  // Calls `visit` with each certificate of the CA but void ones, without its DER, in the order in which they were
  // recorded: of a local CA that is the ledger's, entry 1 first. `visit` must write nothing; ends with the first error
  // that it returns.
  virtual Result<void> visit_of_ca(const CaName& ca,
                                   const std::function<Result<void>(const CertificateRecord&)>& visit) const = 0;
  // Calls `visit`, in order of subject, with that issued certificate of each subject that lasts longest, without its
  // DER; ends with the first error that it returns.
  virtual Result<void> visit_lasting(CertificateKind kind,
                                     const std::function<Result<void>(const CertificateRecord&)>& visit) const = 0;
  virtual Result<std::uint64_t> count(const CaName& ca, CertificateState state) const = 0;
  // All there are, whatever their state, after the one of that number, at most `limit`.
  virtual Result<std::vector<NumberedCertificate>> list_after(std::uint64_t number, std::size_t limit) const = 0;
  // Those that are issued, not revoked, and end after `now`.
  virtual Result<std::uint64_t> count_alive(const CaName& ca, UnixTime now) const = 0;
};

}  // namespace sallyport::records
