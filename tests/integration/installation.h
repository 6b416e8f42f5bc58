// An installation in one process: real signer and authority on Unix sockets, a database in memory, one factory.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "authority/authority.h"
#include "codec/json.h"
#include "codec/pem.h"
#include "crypto/system_random.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/listener.h"
#include "net/run.h"
#include "net/timer.h"
#include "pki/issue.h"
#include "pki/root_order.h"
#include "records/installation_values.h"
#include "records/role_messages.h"
#include "signer/checkpoint_mark.h"
#include "signer/key_folder.h"
#include "signer/server.h"
#include "store/record_database.h"

// ASSERT_TRUE for coroutines.
#define CO_ASSERT(...)                           \
  do {                                           \
    const bool co_assert_held = (__VA_ARGS__);   \
    EXPECT_TRUE(co_assert_held) << #__VA_ARGS__; \
    if (!co_assert_held) co_return;              \
  } while (false)

namespace sallyport::integration {

inline const records::CaName kOnlineCa("online-ca");
inline const records::CaName kServerCa("server-ca");
// A lease lives for 5 s.
inline constexpr seconds kLapse{6};

inline constexpr UnixTime kNow{1'780'315'200};  // 2026-06-01T12:00:00Z
inline const DnsName kZone("devices.example");
inline const DnsName kConsole("console.example");
inline const SiteName kSite("acme");
inline constexpr milliseconds kCallLimit{20'000};

// A device as its factory made it.
struct Device {
  SerialId serial_id;
  crypto::PrivateKey factory_key = crypto::PrivateKey::generate();
  std::optional<pki::Certificate> factory_certificate;
  SiteName site = kSite;
};

// Where the log stood when it was last signed, as the signer keeps it.
class ObservedMark final : public signer::CheckpointMark {
 public:
  signer::LogMark last() const override { return mark_; }
  Result<void> raise(const signer::LogMark& mark) override;
  // As the signer's own disk had it at some time.
  void put(const signer::LogMark& mark) { mark_ = mark; }
  std::function<void(const signer::LogMark&)> on_raise;  // may be empty

 private:
  signer::LogMark mark_;
};

// The name of a CA that the present online-ca has replaced, and how long it lives: less than the present one.
inline const records::CaName kReplacedCa("online-ca@1f");
inline constexpr seconds kReplacedLife = 400 * kDay;

class Installation {
 public:
  Installation() : Installation(false) {}
  // With kReplacedCa, too.
  explicit Installation(bool has_replaced);
  ~Installation();

  net::Io& io() { return io_; }
  ManualClock& clock() { return clock_; }
  Random& random() { return random_; }
  const pki::Certificate& root() const { return *root_; }
  std::string socket(std::string_view role) const { return (folder_ / (std::string(role) + ".sock")).string(); }

  // Makes the authority and begins to serve; called again, the earlier one must have been stopped.
  void start_authority();
  void stop_authority();

  // A device that is in the ledger, unless told otherwise.
  Device make_device(std::string_view serial_id, bool in_ledger = true, const SiteName& site = kSite);
  void add_site(const SiteName& name, std::uint64_t quota);
  void write(const records::RecordDatabase::Work& work);
  void read(const records::RecordDatabase::Work& work) const;
  records::RecordDatabase& database() { return *database_; }
  // A root CRL of `number`, in date, that lists the CA of `site` where one is given.
  Bytes make_root_crl(std::uint64_t number, const std::optional<SiteName>& site = std::nullopt);
  // One that lists the CA of this serial.
  Bytes make_root_crl(std::uint64_t number, const pki::SerialNumber& revoked);
  // An order of the root, for this installation ("test") unless it says otherwise.
  Bytes seal_order(const pki::RootOrder& order);
  // A sealed permit for kSite.
  Bytes make_permit(std::uint64_t count);
  const pki::Certificate& site_ca(const SiteName& name) const { return site_cas_.at(name); }
  crypto::PrivateKey& site_key(const SiteName& name) { return site_keys_.at(name); }
  // Told the to-be-signed bytes of every signature of a CA's key, before it is made. May be empty.
  std::function<void(ByteView tbs)> on_signature;
  ObservedMark& checkpoint_mark() { return *checkpoint_mark_; }
  const pki::Certificate& checkpoint_certificate() const { return *checkpoint_certificate_; }

  // A new connection, as every role at once or as an administrator.
  net::Task<std::shared_ptr<net::RpcPeer>> connect(std::string role);
  net::Task<Result<records::CertificateChain>> enrol(std::shared_ptr<net::RpcPeer> gateway, const Device& device,
                                                     crypto::PrivateKey& key);
  net::Task<Result<records::CertificateChain>> renew(std::shared_ptr<net::RpcPeer> gateway, records::RoleMethod method,
                                                     Bytes certificate, crypto::PrivateKey& key);
  net::Task<Result<codec::Json>> administer(std::shared_ptr<net::RpcPeer> peer, std::string method,
                                            codec::Json parameters, std::string tenant = {});

  // The device's records.
  records::DeviceRecord device_record(const SerialId& serial_id, const SiteName& site = kSite) const;
  std::vector<records::CertificateRecord> operational_certificates(const SerialId& serial_id) const;

 private:
  void make_tree(bool has_replaced);
  signer::CaKey make_replaced_ca();
  Bytes sign_root_crl(std::uint64_t number, const std::optional<pki::SerialNumber>& revoked);
  pki::Certificate make_ca(const std::string& name, const crypto::PublicKey& key,
                           std::optional<seconds> life = std::nullopt);
  void fill_database();

  std::filesystem::path folder_;
  ManualClock clock_{kNow};
  crypto::SystemRandom random_;
  net::Io io_;
  crypto::PrivateKey root_key_ = crypto::PrivateKey::generate();
  std::optional<pki::Certificate> root_;
  std::map<std::string, pki::Certificate> cas_;
  std::optional<pki::Certificate> replaced_ca_;
  std::optional<pki::Certificate> checkpoint_certificate_;
  std::map<SiteName, crypto::PrivateKey> site_keys_;
  std::map<SiteName, pki::Certificate> site_cas_;
  ObservedMark* checkpoint_mark_ = nullptr;  // the signer's
  std::optional<signer::Signer> signer_;
  std::unique_ptr<records::RecordDatabase> database_;
  std::unique_ptr<net::Listener> signer_listener_;
  std::unique_ptr<net::Listener> role_listener_;
  std::unique_ptr<net::Listener> admin_listener_;
  std::unique_ptr<authority::Authority> authority_;
};

// Runs `test` on the installation's loop.
void run(Installation& installation, net::Task<void> test);

// Waits until `condition` holds, for kCallLimit at most; whether it does, which fails the test otherwise.
template <class Condition>
net::Task<bool> until(Condition condition) {
  const net::Deadline deadline(kCallLimit);
  while (!condition() && !deadline.passed()) co_await net::sleep_for(milliseconds(2));
  EXPECT_TRUE(condition()) << "waited in vain";
  co_return condition();
}

}  // namespace sallyport::integration
