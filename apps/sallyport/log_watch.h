// The log commands that read entries, and what all log commands share.
#pragma once

#include <filesystem>
#include <optional>

#include "codec/json.h"
#include "command.h"
#include "tlog/checkpoint.h"

namespace sallyport::cli {

Outcome log_watch(const Arguments& arguments, Environment& environment);
Outcome log_show(const Arguments& arguments, Environment& environment);

// What --root names.
std::optional<std::filesystem::path> trusted_root(const Arguments& arguments);
// "origin", "size" and "root" of a head.
codec::Json::Object head_json(const tlog::Checkpoint& checkpoint);

}  // namespace sallyport::cli
