// Something under way, for as long as its scope lasts.
#pragma once

#include <cstddef>

namespace sallyport::rpcnode {

// Counts one in `count`, which outlives it.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace sallyport::rpcnode
