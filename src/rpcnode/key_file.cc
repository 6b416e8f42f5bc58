#include "rpcnode/key_file.h"

#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::size_t kMaxApiKeyFile = 4'096;

std::string_view line_in(const SecretBytes& text) {
  std::string_view line = as_text(text.expose());
  if (line.ends_with('\n')) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<sealed::ApiKey> read_key_file(const std::filesystem::path& file) {
  TRY(const SecretBytes text, keystore::read_secret_file(file, kMaxApiKeyFile));
  auto key = sealed::parse_api_key(line_in(text));
  if (!key) return std::unexpected(std::move(key).error().at(file.native()));
  return key;
}

Result<sealed::eva::Key> read_eva_key(sealed::eva::KeyId id, const std::filesystem::path& file) {
  TRY(const SecretBytes text, keystore::read_secret_file(file, sealed::eva::kMostSecretBytes + 1));
  auto key = sealed::eva::Key::from(std::move(id), line_in(text));
  if (!key) return std::unexpected(std::move(key).error().at(file.native()));
  return key;
}

}  // namespace sallyport::rpcnode
