#include "run_as.h"

#include <unistd.h>

#include "net/privileges.h"

namespace sallyport::cli {

Option run_as_option() {
  return {.name = "run-as", .value = "UID", .help = "become this numeric user once everything is open"};
}

Result<void> leave_root(const Arguments& arguments) {
  TRY(const auto uid, arguments.find_number("run-as", 1, kLargestUid));
  if (!uid) return net::forbid_new_privileges();
  const auto number = static_cast<uid_t>(*uid);
  return net::drop_privileges({.uid = number, .gid = number});
}

}  // namespace sallyport::cli
