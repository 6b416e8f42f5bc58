// What the agent answers the process of its node, which has no key of the device: it signs that node's bundles and
// nothing else (ADR 0032). Everything that is not a request of sealed/node_channel.h is refused.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "codec/json.h"
#include "crypto/key.h"
#include "sealed/node_channel.h"
#include "tunnel/admission.h"

namespace sallyport::agent {

// Requests of all kinds: as many at once, and so many a second.
inline constexpr std::size_t kNodeRequests = 64;
inline constexpr double kNodeRequestsPerSecond = 10;
// Bundles: a node needs one a day, one at each start, and one whenever the certificate is renewed.
inline constexpr std::size_t kNodeBundles = 8;
inline constexpr double kNodeBundlesPerSecond = 1.0 / 60;
// Services opened and closed: each is written to the disk, and told to the relay.
inline constexpr std::size_t kNodeSwitches = 16;
inline constexpr double kNodeSwitchesPerSecond = 1.0 / 10;
// Requests beyond the rate before whoever sends them is taken for broken.
inline constexpr std::size_t kNodeFlood = 256;
// A bundle's sequence is the second in which it was drawn; one that is further ahead would shut out those after it.
// A node that is refused for one before it draws the next with the time that is then.
inline constexpr seconds kBundleAhead{120};

// Who the device is; the key may live anywhere.
struct DeviceIdentity {
  std::shared_ptr<crypto::SigningKey> key;
  std::vector<pki::Certificate> chain;  // leaf first, without the root
  std::vector<pki::Certificate> roots;
  DnsName zone;
};

// From what it answers.
struct NodeDeskSources {
  std::function<std::optional<DeviceIdentity>()> identity;  // absent before the device is enrolled
  std::function<codec::Json()> values;
  std::function<codec::Json()> services;
  // Errc::not_found when there is none of that name.
  std::function<Result<void>(ServiceName name, bool open)> switch_service;
};

// One node, over all its lives. Not thread-safe. Borrows the clock.
class NodeDesk {
 public:
  NodeDesk(sealed::NodeName node, const Clock& clock, NodeDeskSources sources);

  // Errc::malformed for what is no request; Errc::overloaded beyond the rates; Errc::not_yet for a device without a
  // certificate; for a bundle of another node, outside its times, with a sequence below one before or ahead of the time
  // what sealed::check_bundle says; Errc::unavailable when the key does not answer.
  Result<Bytes> answer(ByteView request);
  // Whether so much came beyond the rate that the connection should be ended; begin_anew() forgets it.
  bool is_flooded() const { return beyond_ >= kNodeFlood; }
  void begin_anew() { beyond_ = 0; }

 private:
  Result<Bytes> sign(const sealed::Bundle& bundle);
  Result<Bytes> tell_identity() const;

  sealed::NodeName node_;
  const Clock& clock_;
  NodeDeskSources sources_;
  tunnel::TokenBucket requests_;
  tunnel::TokenBucket bundles_;
  tunnel::TokenBucket switches_;
  std::uint64_t sequence_ = 0;  // the highest that was signed
  std::size_t beyond_ = 0;
};

}  // namespace sallyport::agent
