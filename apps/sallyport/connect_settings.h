// How the command line reaches a console as a person: from a file that he keeps, and options that win over it.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "console_client.h"

namespace sallyport::cli {

struct ConnectSettings {
  ConsoleLogin login;
  std::optional<std::filesystem::path> password_file;  // asked at the terminal without it
};

// --direct HOST[:PORT], the port 443 where there is none: the device's own, instead of the relay's.
Option direct_option();
// Absent where it was not given; ExitStatus::usage where it cannot be read.
Try<std::optional<net::Address>> find_direct(const Arguments& arguments);

// The options that read_connect_settings() reads.
std::vector<Option> connect_options();
// Reads them and the file: the one that --settings names, or ~/.config/sallyport/connect.toml where there is one. What
// neither says is ExitStatus::usage, and the error names both ways to say it.
Try<ConnectSettings> read_connect_settings(const Arguments& arguments);

}  // namespace sallyport::cli
