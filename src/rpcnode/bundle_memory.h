// Which bundle of each node a caller has seen last, over its runs: a broker that shows an older one of two leads nobody
// back to a prekey that was given up (docs/protocol/sealed-rpc.md §2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/names.h"
#include "sealed/bundle.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxBundlesSeen = 4'096;  // one more forgets the one of the lowest sequence
inline constexpr std::size_t kMaxBundleMemory = 2U << 20U;

// One file. Every change reads it anew under a lock beside it (FILE.lock). Not thread-safe.
class BundleMemory {
 public:
  // A file that does not exist is an empty one; its folder is made. Errc::malformed names what is wrong.
  static Result<BundleMemory> open(std::filesystem::path file);

  // Takes a bundle that `device` of `zone` signed: durable when it returns. Errc::conflict for one whose sequence is
  // below what was seen of that node.
  Result<void> take(const DnsName& zone, const DeviceName& device, const sealed::Bundle& bundle);
  // The highest sequence seen; 0 for a node that was not.
  std::uint64_t seen(const DnsName& zone, const DeviceName& device, const sealed::NodeName& node) const;

 private:
  explicit BundleMemory(std::filesystem::path file) : file_(std::move(file)) {}
  Result<void> read();
  Result<void> save() const;

  std::filesystem::path file_;
  std::map<std::string, std::uint64_t> seen_;  // by "zone device node"
};

}  // namespace sallyport::rpcnode
