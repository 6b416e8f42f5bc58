// A folder that is handed to a role's user with what lies in it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>

#include "base/result.h"

namespace sallyport::keystore {

// Makes `owner` user and group of `folder` and of the files and folders directly in it, as root. Since `owner` may have
// put things there, what is no plain file or folder, or is a file of more than one name (hard links), stays as it is;
// so does what is `owner`'s already. Returns how many were left for the first reason. Errc::unauthorized names what
// could not be given away; Errc::not_found without a folder. The folder itself may be a symbolic link to one that lies
// elsewhere, on a larger disk for instance, if the link and the folder it lies in are root's and nobody else can write
// there: then an administrator made it.
Result<std::size_t> give_folder(const std::filesystem::path& folder, uid_t owner);

}  // namespace sallyport::keystore
