// Bundles that brokers have told of and that wait to be verified, the newest of each topic, within bounds. No I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace sallyport::rpcnode {

// More are left out until their brokers tell of them again.
inline constexpr std::size_t kMaxWaitingBundles = 4'096;
inline constexpr std::size_t kMaxWaitingBundleBytes = 8U << 20U;

class WaitingBundles {
 public:
  // In place of the one of this topic. An empty one is none; one for which there is no room is counted.
  void put(const std::string& topic, const Bytes& payload);
  // Topic by topic in turn, so that whoever tells again and again of the first ones keeps back nobody else's.
  std::optional<std::pair<std::string, Bytes>> take_next();
  bool empty() const { return bundles_.empty(); }
  std::uint64_t left_out() const { return left_out_; }

 private:
  std::map<std::string, Bytes> bundles_;  // by topic
  std::string last_;                      // the topic that was taken last
  std::size_t bytes_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace sallyport::rpcnode
