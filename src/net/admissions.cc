#include "net/admissions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "net/address.h"

namespace sallyport::net {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedIpv4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::size_t kSourceOctets = 8;  // of an IPv6 address: its /64

}  // namespace

std::string source_of(std::string_view host) {
  const auto address = find_ip_octets(std::string(host));
  if (!address || address->size == 4) return std::string(host);
  IpOctets out{.octets = {}, .size = 16};
  if (std::ranges::equal(kMappedIpv4, std::span(address->octets).first(kMappedIpv4.size()))) {
    out.size = 4;
    std::copy_n(address->octets.begin() + kMappedIpv4.size(), 4, out.octets.begin());
    return to_string(out);
  }
  std::copy_n(address->octets.begin(), kSourceOctets, out.octets.begin());
  return to_string(out) + "/64";
}

struct Admissions::Place::State {
  std::size_t total = 0;
  std::map<std::string, std::size_t> by_source;
};

Admissions::Admissions(std::size_t most, std::size_t most_per_source)
    : most_(most), most_per_source_(most_per_source), state_(std::make_shared<Place::State>()) {}

std::optional<Admissions::Place> Admissions::admit(const std::string& source) {
  if (state_->total >= most_) return std::nullopt;
  const auto counter = state_->by_source.try_emplace(source).first;
  if (counter->second >= most_per_source_) return std::nullopt;
  return Place(state_, counter);
}

Admissions::Place::Place(std::shared_ptr<State> state, Counter counter) : state_(std::move(state)), counter_(counter) {
  ++state_->total;
  ++counter_->second;
}

Admissions::Place::~Place() {
  if (!state_) return;
  --state_->total;
  if (--counter_->second == 0) state_->by_source.erase(counter_);
}

}  // namespace sallyport::net
