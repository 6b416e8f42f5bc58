// What the commands on the root's folder share.
#pragma once

#include "base/secret.h"
#include "command.h"
#include "root/root.h"

namespace sallyport::cli {

Option root_folder_option();
Option root_passphrase_option();

// From --passphrase-file, else asked for.
Result<SecretBytes> root_passphrase(const Arguments& arguments, bool is_new = false);
Try<root::Root> open_root(const Arguments& arguments, Environment& environment);

}  // namespace sallyport::cli
