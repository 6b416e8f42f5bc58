// How many things of a kind there may be at once, in all and per source.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::console {

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
  // Absent when there are too many.
  std::optional<Place> admit(const std::string& source);

 private:
  std::size_t most_;
  std::size_t most_per_source_;
  std::shared_ptr<Place::State> state_;
};

}  // namespace sallyport::console
