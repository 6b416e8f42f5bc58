#include "rpcnode/waiting_bundles.h"

namespace sallyport::rpcnode {

void WaitingBundles::put(const std::string& topic, const Bytes& payload) {
  if (payload.empty()) return;
  const auto found = bundles_.find(topic);
  const std::size_t before = found == bundles_.end() ? 0 : found->second.size();
  if ((found == bundles_.end() && bundles_.size() >= kMaxWaitingBundles) ||
      bytes_ - before + payload.size() > kMaxWaitingBundleBytes) {
    ++left_out_;
    return;
  }
  bytes_ = bytes_ - before + payload.size();
  bundles_.insert_or_assign(topic, payload);
}

std::optional<std::pair<std::string, Bytes>> WaitingBundles::take_next() {
  if (bundles_.empty()) return std::nullopt;
  auto next = bundles_.upper_bound(last_);
  if (next == bundles_.end()) next = bundles_.begin();
  auto node = bundles_.extract(next);
  bytes_ -= node.mapped().size();
  last_ = node.key();
  return std::pair(std::move(node.key()), std::move(node.mapped()));
}

}  // namespace sallyport::rpcnode
