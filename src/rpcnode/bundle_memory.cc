#include "rpcnode/bundle_memory.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "keystore/file.h"
#include "net/descriptor.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::string_view kFirstLine = "sallyport rpc bundles 1";

std::string memory_key(const DnsName& zone, const DeviceName& device, const sealed::NodeName& node) {
  return zone.get() + " " + device.get() + " " + node.get();
}

// "SEQUENCE ZONE DEVICE NODE"
Result<std::pair<std::string, std::uint64_t>> parse_line(std::string_view line) {
  std::uint64_t sequence = 0;
  const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), sequence);
  const std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (fault != std::errc() || std::ranges::count(rest, ' ') != 3 || !rest.starts_with(' '))
    return fail(Errc::malformed, "want a sequence, a zone, a device and a node in each line");
  return std::pair(std::string(rest.substr(1)), sequence);
}

Result<net::Descriptor> lock_beside(const std::filesystem::path& file) {
  const std::string path = file.native() + ".lock";
  net::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, keystore::kSecretMode));
  if (!lock.is_open() || ::flock(lock.get(), LOCK_EX) != 0)
    return failf(Errc::unavailable, "{}: {}", path, std::strerror(errno));
  return lock;
}

}  // namespace

Result<BundleMemory> BundleMemory::open(std::filesystem::path file) {
  BundleMemory out(std::move(file));
  TRY_VOID(keystore::make_folders(out.file_.parent_path(), keystore::kPrivateFolderMode));
  TRY_VOID(out.read());
  return out;
}

Result<void> BundleMemory::read() {
  seen_.clear();
  const auto bytes = keystore::read_file(file_, kMaxBundleMemory);
  if (!bytes && bytes.error().code == Errc::not_found) return {};
  if (!bytes) return std::unexpected(bytes.error());
  std::string_view rest = as_text(*bytes);
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const std::string where = fmt::format("{}:{}", file_.native(), number);
    if (end == std::string_view::npos || (number == 1 && line != kFirstLine))
      return failf(Errc::malformed, "{}: want whole lines, the first '{}'", where, kFirstLine);
    rest.remove_prefix(end + 1);
    if (number == 1) continue;
    auto entry = parse_line(line);
    if (!entry) return std::unexpected(std::move(entry).error().at(where));
    seen_.insert(*std::move(entry));
  }
  return {};
}

Result<void> BundleMemory::save() const {
  std::string text = std::string(kFirstLine) + "\n";
  for (const auto& [key, sequence] : seen_) text += fmt::format("{} {}\n", sequence, key);
  return keystore::atomic_write_file(file_, as_bytes(text), keystore::kSecretMode);
}

std::uint64_t BundleMemory::seen(const DnsName& zone, const DeviceName& device, const sealed::NodeName& node) const {
  const auto found = seen_.find(memory_key(zone, device, node));
  return found == seen_.end() ? 0 : found->second;
}

Result<void> BundleMemory::take(const DnsName& zone, const DeviceName& device, const sealed::Bundle& bundle) {
  TRY(const net::Descriptor lock, lock_beside(file_));
  TRY_VOID(read());
  const std::uint64_t before = seen(zone, device, bundle.node);
  if (bundle.sequence < before)
    return failf(Errc::conflict,
                 "rpc bundle: sequence {}, want {} or more: an old one; where the node was set up anew under another "
                 "clock, take its line out of {}",
                 bundle.sequence, before, file_.native());
  if (bundle.sequence == before) return {};
  seen_[memory_key(zone, device, bundle.node)] = bundle.sequence;
  while (seen_.size() > kMaxBundlesSeen)
    seen_.erase(std::ranges::min_element(seen_, {}, [](const auto& entry) { return entry.second; }));
  return save();
}

}  // namespace sallyport::rpcnode
