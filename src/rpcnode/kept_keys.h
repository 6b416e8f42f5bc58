// What is kept of the API keys by which an installation calls nodes: for each node and purpose one, derived for that
// node, in one file. No key can be had back from it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "sealed/api_key.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxKeptKeys = 4'096;
inline constexpr std::size_t kMaxKeptKeysFile = 2U << 20U;

// What a kept key is used for. One for calls is never used for methods "keys.…", whatever its rules.
enum class KeyPurpose : std::uint8_t { calls, keys };
std::string_view to_string(KeyPurpose purpose);
// "calls" or "keys". Errc::malformed.
Result<KeyPurpose> parse_key_purpose(std::string_view text);

struct KeptKey {
  sealed::NodeName node;
  KeyPurpose purpose = KeyPurpose::calls;
  sealed::KeyId id;
  sealed::NodeKey key;
  UnixTime kept;
  std::string by;  // login
};

// The file, mode 0600, read whole; a change is durable when it returns. Not thread-safe.
class KeptKeys {
 public:
  // Errc::malformed names what is wrong in the file; one that does not exist is an empty list.
  static Result<KeptKeys> open(std::filesystem::path file);

  // Whether keep() has room: Errc::overloaded beyond kMaxKeptKeys.
  Result<void> check_room(const sealed::NodeName& node, KeyPurpose purpose) const;
  // In place of the one of this node and purpose. Errc::overloaded beyond kMaxKeptKeys.
  Result<void> keep(KeptKey key);
  // Errc::not_found.
  Result<void> forget(const sealed::NodeName& node, KeyPurpose purpose);
  const KeptKey* find(const sealed::NodeName& node, KeyPurpose purpose) const;
  const std::vector<KeptKey>& list() const { return keys_; }

 private:
  explicit KeptKeys(std::filesystem::path file) : file_(std::move(file)) {}
  Result<void> read();
  // Writes `keys_`; on failure they are those of the file again.
  Result<void> save();

  std::filesystem::path file_;
  std::vector<KeptKey> keys_;
};

}  // namespace sallyport::rpcnode
