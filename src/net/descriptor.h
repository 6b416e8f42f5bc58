// File descriptors that are owned.
#pragma once

#include <utility>

#include "base/result.h"

namespace sallyport::net {

// Owns one open descriptor, or none. Closes it at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void close();

 private:
  int number_ = -1;
};

// Sets O_NONBLOCK.
Result<void> set_non_blocking(int descriptor);

// Two connected Unix stream sockets, non-blocking and close-on-exec.
Result<std::pair<Descriptor, Descriptor>> make_socket_pair();

}  // namespace sallyport::net
