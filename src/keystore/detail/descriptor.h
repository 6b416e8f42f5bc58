// An owned file descriptor, and the operating system's errors as ours.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/result.h"

namespace sallyport::keystore {

// Closes what it owns. Move-only.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  bool is_open() const { return number_ >= 0; }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// "PATH: ACT: reason; what to do", with the category that fits `number`.
std::unexpected<Error> system_error(const std::filesystem::path& path, std::string_view act, int number);

// Makes what happened in `folder` durable.
Result<void> sync_folder(const std::filesystem::path& folder);

}  // namespace sallyport::keystore
