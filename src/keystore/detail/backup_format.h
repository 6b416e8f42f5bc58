// The fixed parts of a backup file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::keystore {

inline constexpr std::string_view kBackupMagic{"sallyport/backup/v1\0", 20};
inline constexpr std::uint8_t kEndMark = 0;
inline constexpr std::uint8_t kEntryMark = 1;
inline constexpr std::size_t kBackupBuffer = 1U << 20U;

}  // namespace sallyport::keystore
