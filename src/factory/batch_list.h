// A list of requests that a line wants certificates for.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"

namespace sallyport::factory {

inline constexpr std::size_t kMaxBatch = 100'000;
inline constexpr std::size_t kMaxBatchFile = 32U << 20U;

// One request of a batch.
struct BatchRow {
  std::string label;  // for messages: "row 3 (m-0003)" or a file's name
  std::optional<SerialId> serial_id;
  std::filesystem::path request;
  std::filesystem::path certificate;  // where it goes
};

// The rows of a list: lines of `serial id,request[,certificate]` (RFC 4180 without quotes, so no name has a comma), a
// header line of those words optional, empty lines skipped. Paths are relative to `folder`; the certificate is beside
// its request as *.pem unless named. Errc::malformed names the line; Errc::overloaded over kMaxBatch.
Result<std::vector<BatchRow>> parse_batch_list(std::string_view text, const std::filesystem::path& folder);

}  // namespace sallyport::factory
