// What of the installation ends when, and from when on somebody should know: every link of the chain of trust in
// one list (docs/operate/monitoring.md), which console, doctor, command line, log and metrics show alike.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "authority/installation.h"
#include "base/time.h"
#include "records/database.h"

namespace sallyport::authority {

enum class LinkKind : std::uint8_t { root, ca, root_crl, ocsp_signer, control, server, role, site_ca, permit };
std::string_view to_string(LinkKind kind);

// How a link stands at some time. `due`: what should have replaced it by now has not.
enum class Stage : std::uint8_t { in_time, due, ended };
std::string_view to_string(Stage stage);

struct Link {
  LinkKind kind{};
  std::string name;  // of the CA, site, role or kind of object; "root" for the newest root and its CRL
  UnixTime from;
  UnixTime until;

  // From when on it is due: two thirds of the life for the root CRL and for a VPN server; five sixths for what roles
  // renew by themselves at two thirds; for CAs the last fifth, at least 60 days and at most a year (the root: two
  // years), since devices must come by in time to learn of the next; for permits the last 60 days, or the last third of
  // short ones.
  UnixTime due_at() const;
  Stage stage(UnixTime now) const;
  // What is to be done about it, a sentence.
  std::string remedy() const;
  // Whether devices are refused, or refuse us, once it has ended. Permits and site CAs only stop a factory, the
  // certificate of a VPN server (a server whose name is a DNS name) that VPN.
  bool stops_the_service() const;
};

// Every link that is in use: of what is renewed the newest alone; CAs that a root has revoked and sites that are are
// left out, and roots and CAs that younger ones have replaced: they shall end. What speaks of those is not left out: an
// older root's CRL ("root@<serial>"), a replaced CA's OCSP signer. The soonest end first.
Result<std::vector<Link>> list_links(records::Records& records, const Installation& installation);

// The root CRLs among them, with what they are: the newest root's first.
struct RootCrlLink {
  Link link;
  pki::Crl crl;
};
Result<std::vector<RootCrlLink>> list_root_crl_links(const Installation& installation);

// The newest certificate of each device, by stage. They renew at two thirds of their life, ten percent more or less.
struct DeviceCertificates {
  std::uint64_t in_time = 0;
  std::uint64_t due = 0;
  std::uint64_t ended = 0;
  struct One {
    std::string device;
    UnixTime until;
    Stage stage{};
  };
  std::vector<One> ending;  // those that end before the asked time, soonest first, at most kMaxShownDevices
};
inline constexpr std::size_t kMaxShownDevices = 1'000;
// `kind`: operational or web. Walks over the whole fleet: for Core::read_aside.
Result<DeviceCertificates> count_device_certificates(records::Records& records, records::CertificateKind kind,
                                                     UnixTime now, UnixTime ending_before);

// Remembers what was said. A value.
class ExpiryWatch {
 public:
  // What has to be said at `now`: what is due or ended, once when it becomes so and then once a day.
  std::vector<Link> to_say(std::span<const Link> links, UnixTime now);
  // Whether it is time to say that devices are late: once a day while there are some.
  bool is_devices_turn(const DeviceCertificates& devices, UnixTime now);

 private:
  struct Said {
    Stage stage{};
    UnixTime at;
  };
  std::map<std::pair<LinkKind, std::string>, Said> said_;
  std::optional<UnixTime> devices_said_;
};

inline constexpr seconds kExpiryRound{3'600};
inline constexpr seconds kSayAgain = kDay;

}  // namespace sallyport::authority
