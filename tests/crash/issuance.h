// The authority at work on a file database with the real signer, recorded, and what must hold of whatever a crash
// leaves.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "authority/core.h"
#include "explore.h"
#include "file_calls.h"
#include "installation.h"
#include "pki/ledger.h"
#include "records/role_messages.h"

namespace sallyport::crash {

// What a device asked for, and what it was told.
struct Ask {
  enum class Kind : std::uint8_t { enrol, renew, web };
  Kind kind{};
  std::size_t device = 0;
  Bytes csr;
  Bytes shown;                          // renew, web: the operational certificate
  bool may_lose = false;                // contends for the last place of the quota
  std::size_t begun = 0;                // operations done by then
  std::optional<std::size_t> answered;  // the same
  std::optional<Bytes> leaf;            // the certificate handed out
  std::optional<Errc> refusal;
};

// Something done once for all, by operations done when it began and when it was acknowledged.
struct Deed {
  std::size_t begun = 0;
  std::optional<std::size_t> done;
  std::uint64_t number = 0;  // ledger import: the last entry; revocation: the device
};

struct Signature {
  std::size_t position = 0;
  records::CertificateSerial serial;
};

// A head of the transparency log that the signer signed.
struct SignedLog {
  std::size_t position = 0;
  signer::LogMark mark;
};

struct History {
  Recording recording;
  std::vector<Ask> asks;
  std::vector<Signature> signatures;
  std::vector<SignedLog> heads;
  std::vector<Deed> imports;
  std::vector<Deed> revocations;
};

// One run of the authority's use cases over a database file: the code of the role without its sockets.
class AuthorityRun {
 public:
  // Opens the database and does what the role does at its start.
  static Result<std::unique_ptr<AuthorityRun>> open(integration::Installation& installation,
                                                    const std::filesystem::path& database, Random& random,
                                                    std::function<void()> on_failure = {});
  ~AuthorityRun();

  authority::Core& core() { return *core_; }
  records::RecordDatabase& database() { return *database_; }
  Result<Bytes> ask(const Ask& ask);  // the leaf
  net::Task<Result<Bytes>> ask_task(Ask ask);
  Result<void> administer(std::string method, codec::Json parameters);
  Result<void> import_ledger(Bytes exported);
  // Has the log signed as it is now.
  Result<authority::SignedHead> sign_log();

 private:
  explicit AuthorityRun(integration::Installation& installation) : installation_(installation) {}
  integration::Installation& installation_;
  std::unique_ptr<records::RecordDatabase> database_;
  std::unique_ptr<authority::Core> core_;
};

class Issuance {
 public:
  static constexpr std::uint64_t kQuota = 5;
  static constexpr std::size_t kDevices = 9;

  Issuance();

  integration::Installation& installation() { return installation_; }
  std::filesystem::path database() const { return folder_.path() / "records.db"; }
  const std::filesystem::path& folder() const { return folder_.path(); }
  // Puts the files back, before a signer that has signed no log yet.
  void put_back(const Image& image);
  // An installation with one site and its permit, in no run.
  const Image& base() const { return base_; }
  const std::vector<integration::Device>& devices() const { return devices_; }

  // Ledger imports, first connections (alone, at once, twice the same, for the last places of the quota), renewals, web
  // certificates, a revocation, and an orderly end in between.
  History record();
  // What is wrong with what a crash after `point` operations left; empty when nothing is.
  std::string examine(const History& history, const Image& left, std::size_t point, std::uint64_t seed);

  Ask make_ask(Ask::Kind kind, std::size_t device, Bytes shown = {});
  // The ledger's entries after `after` up to `through`, signed by the site.
  Bytes ledger(std::size_t after, std::size_t through);
  Result<void> check_records(records::Records& records, const History& history, std::size_t point) const;

 private:
  void make_base();
  void first_run(AuthorityRun& run, History& history);
  void second_run(AuthorityRun& run, History& history);
  void do_ask(AuthorityRun& run, History& history, Ask ask);
  void do_at_once(AuthorityRun& run, History& history, std::vector<Ask> asks);
  void do_import(AuthorityRun& run, History& history, std::size_t after, std::size_t through);
  void do_revoke(AuthorityRun& run, History& history, std::size_t device);
  Result<void> check_sites(records::Records& records) const;
  // The log and the records say the same, and what was signed by then is its beginning.
  Result<void> check_log(records::Records& records, const History& history, std::size_t point) const;
  // The signer signs the log that is left, as the continuation of what it signed before.
  Result<void> check_log_goes_on(AuthorityRun& run) const;
  Result<void> check_promises(records::Records& records, const History& history, std::size_t point) const;
  Result<void> check_retries(AuthorityRun& run, const History& history, std::size_t point, Random& random) const;
  Result<void> retry(AuthorityRun& run, const History& history, const Ask& ask, std::size_t point) const;
  bool is_being_revoked(const History& history, std::size_t device, std::size_t point) const;

  integration::Installation installation_;
  Scratch folder_;
  Image base_;
  std::vector<integration::Device> devices_;
  std::vector<pki::LedgerEntry> entries_;
};

}  // namespace sallyport::crash
