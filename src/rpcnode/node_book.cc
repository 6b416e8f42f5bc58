#include "rpcnode/node_book.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sealed/signed_bundle.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::string_view kBundleLeaf = "/api/bundle";
constexpr std::size_t kMaxRefusal = 200;  // characters

// The node that a bundle's topic is of.
std::optional<sealed::NodeName> node_of_topic(std::string_view topic, const sealed::TopicPrefix& prefix) {
  if (!topic.ends_with(kBundleLeaf)) return std::nullopt;
  topic.remove_suffix(kBundleLeaf.size());
  if (!prefix.get().empty()) {
    const std::string before = prefix.get() + "/";
    if (!topic.starts_with(before)) return std::nullopt;
    topic.remove_prefix(before.size());
  }
  auto node = sealed::parse_node_name(topic);
  if (!node) return std::nullopt;
  return *std::move(node);
}

}  // namespace

Result<ToldBundle> judge_told_bundle(std::string_view topic, ByteView bytes, const sealed::TopicPrefix& prefix,
                                     std::span<const pki::Certificate> roots, const DnsName& zone, UnixTime now) {
  TRY(auto opened, sealed::open_bundle(bytes, roots, zone, now));
  ToldBundle out{.bundle = std::move(opened.bundle), .device = opened.signer.identity_as<DeviceName>(), .verdict = {}};
  out.verdict = sealed::check_bundle(out.bundle, out.bundle.node, 0, now);
  if (topic != sealed::bundle_topic(prefix, out.bundle.node))
    out.verdict = fail(Errc::unauthorized, "another node's topic");
  return out;
}

NodeBook::NodeBook(sealed::TopicPrefix prefix, std::vector<pki::Certificate> roots, DnsName zone)
    : prefix_(std::move(prefix)), roots_(std::move(roots)), zone_(std::move(zone)) {}

bool NodeBook::take(std::string_view topic, ByteView bytes, UnixTime now) {
  const auto node = node_of_topic(topic, prefix_);
  if (!node || bytes.empty()) return false;
  const auto told = judge_told_bundle(topic, bytes, prefix_, roots_, zone_, now);
  if (!told) return take_refused(*node, told.error().detail, now);
  if (!told->verdict) return take_refused(*node, told->verdict.error().detail, now);
  return take_good(*node, *told, now);
}

std::size_t NodeBook::names_of(const DeviceName& device) const {
  const auto holds = [&](const auto& entry) {
    return std::ranges::find(entry.second.holders, device, &FoundNode::Holder::device) != entry.second.holders.end();
  };
  return static_cast<std::size_t>(std::ranges::count_if(nodes_, holds));
}

bool NodeBook::take_good(const sealed::NodeName& node, const ToldBundle& told, UnixTime now) {
  auto found = nodes_.find(node);
  if (found != nodes_.end()) {
    const auto holder = std::ranges::find(found->second.holders, told.device, &FoundNode::Holder::device);
    if (holder != found->second.holders.end()) {
      // An older one, which a broker may repeat, changes nothing.
      if (told.bundle.sequence < holder->sequence) return false;
      const bool is_new = told.bundle.sequence > holder->sequence || !found->second.refusal.empty();
      *holder = {.device = told.device, .until = told.bundle.not_after, .sequence = told.bundle.sequence};
      found->second.told = now;
      found->second.refusal.clear();
      return is_new;
    }
  }
  const bool is_full = found != nodes_.end() ? found->second.holders.size() >= kMaxHoldersOfNode
                                             : nodes_.size() >= kMaxFoundNodes && !make_room_for_good();
  if (is_full || names_of(told.device) >= kMaxNodesOfDevice) {
    ++left_out_;
    return false;
  }
  FoundNode& entry = nodes_[node];
  if (found == nodes_.end()) {
    entry.since = now;
  } else if (entry.holders.empty()) {
    --refused_;
  }
  entry.told = now;
  entry.refusal.clear();
  entry.holders.push_back({.device = told.device, .until = told.bundle.not_after, .sequence = told.bundle.sequence});
  return true;
}

bool NodeBook::take_refused(const sealed::NodeName& node, std::string reason, UnixTime now) {
  if (reason.size() > kMaxRefusal) reason.resize(kMaxRefusal);
  const auto found = nodes_.find(node);
  if (found != nodes_.end()) {
    const bool is_new = found->second.refusal != reason;
    found->second.refusal = std::move(reason);
    if (found->second.holders.empty()) found->second.told = now;
    return is_new;
  }
  if (!make_room_for_refused()) {
    ++left_out_;
    return false;
  }
  nodes_.emplace(node, FoundNode{.holders = {}, .since = now, .told = now, .refusal = std::move(reason)});
  ++refused_;
  return true;
}

// The one that was told of longest ago goes.
bool NodeBook::make_room_for_good() {
  auto oldest = nodes_.end();
  for (auto each = nodes_.begin(); each != nodes_.end(); ++each) {
    if (!each->second.holders.empty()) continue;
    if (oldest == nodes_.end() || each->second.told < oldest->second.told) oldest = each;
  }
  if (oldest == nodes_.end()) return false;
  nodes_.erase(oldest);
  --refused_;
  return true;
}

bool NodeBook::make_room_for_refused() {
  if (refused_ < kMaxRefusedNodes && nodes_.size() < kMaxFoundNodes) return true;
  return make_room_for_good();
}

bool NodeBook::on_tick(UnixTime now) {
  bool changed = false;
  for (auto& [name, node] : nodes_) {
    if (node.holders.empty()) continue;
    const auto over = std::erase_if(node.holders, [&](const FoundNode::Holder& one) { return one.until <= now; });
    changed = changed || over > 0;
    if (!node.holders.empty()) continue;
    node.refusal = "its bundle is over";
    ++refused_;
  }
  while (refused_ > kMaxRefusedNodes && make_room_for_good()) changed = true;
  return changed;
}

}  // namespace sallyport::rpcnode
