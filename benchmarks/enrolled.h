// Devices of a benchmark that an installation takes for its own: enrolled and claimed straight in its records, since
// what is measured begins after that.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/time.h"
#include "crypto/tls.h"

namespace sallyport::bench {

struct Enrolled {
  std::string name;
  crypto::TlsIdentity identity;  // leaf and CA
};

// Enters `count` devices into the installation in `state`, which must not be running, and writes them to `file`. Each
// has a key and a certificate of its own, which its online-ca has issued. What reading keys, issuing and storing fail
// with.
Result<void> enrol_devices(const std::filesystem::path& state, std::size_t count, const std::filesystem::path& file,
                           const Clock& clock);

// Reads `count` of them, beginning with number `first`. Errc::not_found when there are not as many.
Result<std::vector<Enrolled>> load_devices(const std::filesystem::path& file, std::size_t first, std::size_t count);

}  // namespace sallyport::bench
