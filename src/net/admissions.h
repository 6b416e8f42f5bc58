// How many things of a kind there may be at once, in all and per source.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::net {

// Whom limits count an address for: an IPv4 address by itself, the /64 of an IPv6 one, since that is what one customer
// gets; an IPv4-mapped address (::ffff:a.b.c.d) is the IPv4 one. Text as find_ip_octets and to_string have it; what is
// no IP address, also an empty one, is returned as it is.
std::string source_of(std::string_view host);

// One thread. Places may outlive it.
class Admissions {
 public:
  Admissions(std::size_t most, std::size_t most_per_source);

  // Held for as long as the thing is there.
  class Place {
   public:
    Place(Place&&) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    friend class Admissions;
    struct State;
    using Counter = std::map<std::string, std::size_t>::iterator;
    Place(std::shared_ptr<State> state, Counter counter);
    std::shared_ptr<State> state_;
    Counter counter_;
  };
  // Absent when there are too many. `source` is taken as it is: source_of() makes one of an address.
  std::optional<Place> admit(const std::string& source);

 private:
  std::size_t most_;
  std::size_t most_per_source_;
  std::shared_ptr<Place::State> state_;
};

}  // namespace sallyport::net
