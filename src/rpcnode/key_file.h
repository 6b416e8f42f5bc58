// Keys in files that nobody else may read.
#pragma once

#include <filesystem>

#include "sealed/api_key.h"
#include "sealed/eva_key.h"

namespace sallyport::rpcnode {

// An API key as `sallyport-agent rpc key-add` prints it, in one line. Errors name the file: Errc::not_found,
// Errc::unauthorized when others may read it, Errc::malformed.
Result<sealed::ApiKey> read_key_file(const std::filesystem::path& file);
// The secret of a key of EVA ICS v3, in one line. The same errors.
Result<sealed::eva::Key> read_eva_key(sealed::eva::KeyId id, const std::filesystem::path& file);

}  // namespace sallyport::rpcnode
