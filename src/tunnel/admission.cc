#include "tunnel/admission.h"

#include <algorithm>

#include "base/result.h"

namespace sallyport::tunnel {
namespace {

constexpr double kDecrease = 0.7;
constexpr std::array<std::uint8_t, 12> kMappedV4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

// Counts down and forgets what reached nothing.
template <class Map, class Key>
void decrement(Map& counts, const Key& key) {
  const auto found = counts.find(key);
  SALLYPORT_CHECK(found != counts.end() && found->second > 0);
  if (--found->second == 0) counts.erase(found);
}

// Counts up unless `limit` is reached.
template <class Map, class Key>
bool increment(Map& counts, const Key& key, std::size_t limit) {
  const auto found = counts.find(key);
  if (limit == 0 || (found != counts.end() && found->second >= limit)) return false;
  ++counts[key];
  return true;
}

}  // namespace

TokenBucket::TokenBucket(std::size_t burst, double per_second)
    : burst_(static_cast<double>(burst)), per_second_(per_second), tokens_(burst_) {}

bool TokenBucket::take(Instant now) {
  if (last_ && now > *last_) {
    const double elapsed = std::chrono::duration<double>(now - *last_).count();
    tokens_ = std::min(burst_, tokens_ + elapsed * per_second_);
  }
  if (!last_ || now > *last_) last_ = now;
  if (tokens_ < 1.0) return false;
  tokens_ -= 1.0;
  return true;
}

void TokenBucket::grant(std::size_t count) {
  tokens_ = std::min(burst_, tokens_ + static_cast<double>(count));
}

HandshakeAdmission::HandshakeAdmission(AimdLimits limits)
    : limits_(limits), window_(static_cast<double>(std::clamp(limits.start, limits.least, limits.most))) {}

// Forgets when those began whose peer is slow.
void HandshakeAdmission::set_aside(Instant now) {
  while (!fresh_.empty() && now - fresh_.front() >= limits_.slow_peer) {
    fresh_.pop_front();
    ++stalled_;
  }
}

bool HandshakeAdmission::begin(Instant now) {
  set_aside(now);
  if (fresh_.size() >= window() || under_way() >= limits_.most) return false;
  fresh_.push_back(now);
  return true;
}

void HandshakeAdmission::end(Instant began, Instant now) {
  set_aside(now);
  if (now - began >= limits_.slow_peer) {
    SALLYPORT_CHECK(stalled_ > 0);
    --stalled_;
    return;
  }
  const auto found = std::ranges::lower_bound(fresh_, began);
  SALLYPORT_CHECK(found != fresh_.end() && *found == began);
  fresh_.erase(found);
}

void HandshakeAdmission::on_success(Instant began, Instant now) {
  end(began, now);
  if (now - began > limits_.target) return decrease(now);
  window_ = std::min(window_ + 1.0 / window_, static_cast<double>(limits_.most));
}

void HandshakeAdmission::on_over(Instant began, Instant now) {
  end(began, now);
}

void HandshakeAdmission::decrease(Instant now) {
  if (decreased_ && now - *decreased_ < limits_.patience) return;
  decreased_ = now;
  window_ = std::max(window_ * kDecrease, static_cast<double>(limits_.least));
}

Source source_of_v4(const std::array<std::uint8_t, 4>& address) {
  std::array<std::uint8_t, 16> out{};
  std::ranges::copy(kMappedV4, out.begin());
  std::ranges::copy(address, out.begin() + kMappedV4.size());
  return Source(out);
}

Source source_of_v6(const std::array<std::uint8_t, 16>& address) {
  if (std::equal(kMappedV4.begin(), kMappedV4.end(), address.begin())) return Source(address);
  std::array<std::uint8_t, 16> out{};
  std::copy_n(address.begin(), 8, out.begin());
  return Source(out);
}

Source source_of(ByteView octets) {
  std::array<std::uint8_t, 4> v4{};
  std::array<std::uint8_t, 16> v6{};
  if (octets.size() == v4.size()) {
    std::ranges::copy(octets, v4.begin());
    return source_of_v4(v4);
  }
  if (octets.size() == v6.size()) std::ranges::copy(octets, v6.begin());
  return source_of_v6(v6);
}

bool ConnectionCaps::enter(const Source& source) {
  if (total_ >= limits_.total || !increment(sources_, source, limits_.per_source)) return false;
  ++total_;
  return true;
}

void ConnectionCaps::leave(const Source& source) {
  decrement(sources_, source);
  --total_;
}

bool ConnectionCaps::enter_name(const Source& source, const DnsName& name) {
  return increment(names_, std::pair(name, source), limits_.per_name_and_source);
}

void ConnectionCaps::leave_name(const Source& source, const DnsName& name) {
  decrement(names_, std::pair(name, source));
}

}  // namespace sallyport::tunnel
