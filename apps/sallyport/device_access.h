// One service of one device, opened end to end as a person (docs/operate/remote-access.md): a key made for this command
// alone, access grants that name its hash, and TLS connections to the device under them.
#pragma once

#include <memory>
#include <string>

#include "console_client.h"
#include "crypto/tls.h"
#include "net/task_group.h"
#include "net/timer.h"
#include "tunnel/direct.h"

namespace sallyport::cli {

inline constexpr milliseconds kDeviceLimit{20'000};  // for one connection, the device's dialling and consent included
// A grant younger than this was not refused because its session is over.
inline constexpr seconds kFreshGrant{5};

// Of direct access, which the relay does not see: from this age on the console is asked for a newer grant, this often.
// A grant lives for five minutes, and the console renews it in the second half.
inline constexpr seconds kAskForNewerGrant{120};
inline constexpr milliseconds kUpkeepStep{20'000};

struct AccessOrder {
  ConsoleLogin login;
  std::string device;  // its name, its serial id or SITE/SERIAL-ID; ".sallyport" behind it is not looked at
  ServiceName service;
  std::optional<net::Address> direct;  // the device's own port, instead of the relay's
};

// One thread. Borrows the environment.
class DeviceAccess {
 public:
  // Logs in, finds the device, obtains a grant. Errc::not_found: no such device or service; Errc::unauthorized: login,
  // role or switch; Errc::unavailable: console unreachable, device offline; Errc::conflict: two such devices, a service
  // of another kind.
  static net::Task<Result<std::unique_ptr<DeviceAccess>>> open(AccessOrder order, SecretBytes password,
                                                               Environment& environment);
  // Opens a connection; several may be under way. The device is known by its web certificate, which must lead to the
  // root and bear its name. A session that is over is replaced by another first: the console renews one that is used,
  // and ends one after five minutes without a connection, or after eight hours.
  net::Task<Result<net::StreamPtr>> connect();
  // While it exists a connection is in use. Then a session of direct access is renewed: by the console, and shown to
  // the device on connections of their own. That it was not renewed is told at standard error. Borrows both.
  class InUse {
   public:
    InUse(DeviceAccess& access, net::TaskGroup& group);
    ~InUse();
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    DeviceAccess& access_;
  };
  // Logs out, which ends the session and its connections at once.
  net::Task<void> close();

  const std::string& device() const { return order_.device; }
  const ServiceName& service() const { return order_.service; }

 private:
  DeviceAccess(AccessOrder order, ConsoleClient console, Environment& environment, net::Executor executor);
  net::Task<Result<void>> prepare();
  net::Task<Result<std::string>> look_up();
  net::Task<Result<void>> ask_grant();
  net::Task<Result<void>> renew(std::uint64_t known);
  Result<void> make_context(const DnsName& zone);
  net::Task<Result<codec::Json>> ask(std::string path, codec::Json body);
  Result<void> take_grant(const codec::Json& answer);
  net::Task<Result<net::StreamPtr>> dial(DnsName host, tunnel::DirectPurpose purpose = tunnel::DirectPurpose::open);
  net::Task<Result<void>> show_grant(net::Stream& device, tunnel::DirectPurpose purpose, net::Deadline deadline);
  net::Task<void> keep_up();
  net::Task<Result<void>> renew_directly();

  AccessOrder order_;
  ConsoleClient console_;
  Environment& environment_;
  std::shared_ptr<crypto::PrivateKey> key_;
  std::shared_ptr<crypto::TlsContext> context_;
  DeviceName name_;
  std::uint16_t port_ = 443;  // of the relay
  DnsName host_;              // of the newest grant
  std::string session_;       // its id
  Bytes sealed_;              // the newest grant itself, for direct access
  bool is_shown_ = true;      // the device has it
  std::uint64_t grants_ = 0;  // obtained so far
  Instant granted_at_{};
  bool is_renewing_ = false;
  std::optional<Result<void>> renewal_;  // the outcome of the last
  net::Event renewed_;
  bool is_asking_ = false;  // the console, which answers one question at a time
  net::Event answered_;
  std::size_t in_use_ = 0;
  bool is_kept_up_ = false;   // keep_up() runs
  bool is_told_used_ = true;  // the console knows that the session is in use
  net::Event released_;
};

}  // namespace sallyport::cli
