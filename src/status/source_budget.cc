#include "status/source_budget.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sallyport::status {
namespace {

double refill(double tokens, Instant since, Instant now) {
  const double passed = std::chrono::duration<double>(now - since).count();
  return std::min(kSourceBurst, tokens + passed * kSourceAnswersPerSecond);
}

}  // namespace

std::string source_network(std::string_view address) {
  const std::string text(address);
  std::array<char, 16> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 3};
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.data(), 7};
  return text;
}

void SourceBudget::forget_full(Instant now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    return refill(entry.second.tokens, entry.second.refilled, now) >= kSourceBurst;
  });
}

bool SourceBudget::take(std::string_view address, Instant now) {
  std::string network = source_network(address);
  auto found = buckets_.find(network);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxSources) forget_full(now);
    if (buckets_.size() >= kMaxSources) return false;
    found = buckets_.emplace(std::move(network), Bucket{kSourceBurst, now}).first;
  }
  Bucket& bucket = found->second;
  bucket.tokens = refill(bucket.tokens, bucket.refilled, now);
  bucket.refilled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace sallyport::status
