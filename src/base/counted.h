// How many of something are under way.
#pragma once

#include <cstddef>

namespace sallyport {

// One of them, until it goes. `count` must outlive it; one thread.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace sallyport
