// What the status hosts tell of themselves, for people and monitors: held in memory alone, and decided by in nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "records/status_report.h"

namespace sallyport::authority {

inline constexpr std::size_t kMaxStatusHosts = 64;
// A host that has gone is shown this much longer, since somebody ought to ask why.
inline constexpr seconds kStatusHostStays = 7 * kDay;

// answering: it is connected and has a lease, so that whatever may be asked is answered; without_lease: it is
// connected, and answers nothing anew; gone: nothing is known of it now.
enum class HostState : std::uint8_t { answering, without_lease, gone };
std::string_view to_string(HostState state);

struct StatusHost {
  records::StatusReport report;
  std::uint64_t number = 0;  // of the newest state that it has confirmed
  UnixTime reported_at;
  std::optional<UnixTime> leased_at;  // when it last had a lease given: it held the newest state then
  std::optional<UnixTime> gone_at;    // absent while it is connected

  HostState state(UnixTime now) const;
  // What it has confirmed, or before that what it says.
  std::uint64_t confirmed_number() const { return number != 0 ? number : report.snapshot_number; }
  // How old what it knows may be: since it was last proven to hold the newest state; zero while it has a lease.
  seconds snapshot_age(UnixTime now) const;
};

// By the host's name, under which the newest connection counts. Not thread-safe.
class StatusHosts {
 public:
  using ConnectionId = std::uint64_t;

  // What a connection says of its host. Errc::unauthorized when it has spoken for another; Errc::overloaded when there
  // are kMaxStatusHosts others that are connected: one that has gone gives way.
  Result<void> report(ConnectionId connection, records::StatusReport report, UnixTime now);
  // The connection has confirmed state `number`; `leased`: and was given a lease for it.
  void confirmed(ConnectionId connection, std::uint64_t number, bool leased, UnixTime now);
  // The connection has ended. Returns whether it was that of a host.
  bool gone(ConnectionId connection, UnixTime now);

  // In the order of their names, without those that went long ago.
  std::vector<StatusHost> list(UnixTime now) const;

 private:
  struct Confirmed {
    std::uint64_t number = 0;
    std::optional<UnixTime> leased_at;
  };
  struct Host {
    ConnectionId connection = 0;
    StatusHost shown;
  };
  bool make_room(UnixTime now);

  std::map<ConnectionId, Confirmed> confirmed_;  // of connections that are open
  std::map<std::string, Host> hosts_;
};

}  // namespace sallyport::authority
