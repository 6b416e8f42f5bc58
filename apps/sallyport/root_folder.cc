#include "root_folder.h"

#include "folders.h"
#include "terminal.h"

namespace sallyport::cli {

Option root_folder_option() {
  return {.name = "root", .value = "DIR", .help = "the root's own folder", .required = true};
}

Option root_passphrase_option() {
  return {.name = "passphrase-file",
          .value = "FILE",
          .help = "file of mode 0600 with the passphrase; asked for without it"};
}

Result<SecretBytes> root_passphrase(const Arguments& arguments, bool is_new) {
  return read_passphrase(arguments.find("passphrase-file"), "--passphrase-file", "Root passphrase", is_new);
}

Try<root::Root> open_root(const Arguments& arguments, Environment& environment) {
  auto folder = open_state(arguments.path("root"), root::kRootFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  return in_state(root::Root::open(*std::move(folder), environment.clock, environment.random));
}

}  // namespace sallyport::cli
