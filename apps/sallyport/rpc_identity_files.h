// The files of a person's identity in the folder of `sallyport rpc login`.
#pragma once

#include <string_view>

namespace sallyport::cli {

inline constexpr std::string_view kPersonKeyFile = "person.key";
inline constexpr std::string_view kPersonCertificateFile = "person.pem";
inline constexpr std::string_view kPersonRootsFile = "person-roots.pem";

}  // namespace sallyport::cli
