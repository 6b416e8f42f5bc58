// The nodes that tell of themselves at the brokers, as far as what they say is signed by devices of the installation.
// No I/O.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/time.h"
#include "pki/certificate.h"
#include "sealed/bundle.h"
#include "sealed/names.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxFoundNodes = 4'096;
inline constexpr std::size_t kMaxRefusedNodes = 256;  // of which nothing is known but that it was not true
inline constexpr std::size_t kMaxNodesOfDevice = 16;  // names under which one device may tell of itself
inline constexpr std::size_t kMaxHoldersOfNode = 4;   // devices that tell of themselves as the same node

// What a message at a bundle's topic says, and whether it holds.
struct ToldBundle {
  sealed::Bundle bundle;
  DeviceName device;     // that signed it
  Result<void> verdict;  // of its times, and of the topic being the node's own
};
// Fails as sealed::open_bundle() where no device of the installation has signed it: then nothing of it is known.
Result<ToldBundle> judge_told_bundle(std::string_view topic, ByteView bytes, const sealed::TopicPrefix& prefix,
                                     std::span<const pki::Certificate> roots, const DnsName& zone, UnixTime now);

struct FoundNode {
  struct Holder {
    DeviceName device;
    UnixTime until;
    std::uint64_t sequence = 0;
  };
  std::vector<Holder> holders;  // whose bundles hold now; more than one contradict each other
  UnixTime since;               // first told of
  UnixTime told;                // last told of
  std::string refusal;          // of the last message, where it did not hold
};

// A value but for its size. What holds never gives way to what does not.
class NodeBook {
 public:
  NodeBook(sealed::TopicPrefix prefix, std::vector<pki::Certificate> roots, DnsName zone);

  // Takes what lies at a bundle's topic; another topic is dropped. Returns whether anything that is shown has changed.
  bool take(std::string_view topic, ByteView bytes, UnixTime now);
  // Forgets holders whose bundles are over, and nodes without one. The same return.
  bool on_tick(UnixTime now);

  const std::map<sealed::NodeName, FoundNode>& nodes() const { return nodes_; }
  // Messages of which nothing was kept, since there was no room.
  std::uint64_t left_out() const { return left_out_; }

 private:
  bool take_good(const sealed::NodeName& node, const ToldBundle& told, UnixTime now);
  bool take_refused(const sealed::NodeName& node, std::string reason, UnixTime now);
  bool make_room_for_refused();
  bool make_room_for_good();
  std::size_t names_of(const DeviceName& device) const;

  sealed::TopicPrefix prefix_;
  std::vector<pki::Certificate> roots_;
  DnsName zone_;
  std::map<sealed::NodeName, FoundNode> nodes_;
  std::size_t refused_ = 0;  // of nodes_, those without a holder
  std::uint64_t left_out_ = 0;
};

}  // namespace sallyport::rpcnode
