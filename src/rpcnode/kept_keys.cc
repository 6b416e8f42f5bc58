#include "rpcnode/kept_keys.h"

#include <algorithm>
#include <utility>

#include "codec/json.h"
#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

Json kept_key_json(const KeptKey& kept) {
  return Json::Object{{"node", kept.node.get()},       {"purpose", to_string(kept.purpose)},
                      {"id", kept.id.get()},           {"key", codec::encode_base64url(kept.key.expose())},
                      {"kept", to_iso8601(kept.kept)}, {"by", kept.by}};
}

Result<KeptKey> read_kept_key(const Json& json) {
  TRY_VOID(json.only_keys({"node", "purpose", "id", "key", "kept", "by"}));
  TRY(const std::string node_text, json.text_at("node"));
  TRY(auto node, sealed::parse_node_name(node_text));
  TRY(const std::string purpose_text, json.text_at("purpose"));
  TRY(const KeyPurpose purpose, parse_key_purpose(purpose_text));
  TRY(const std::string id_text, json.text_at("id"));
  TRY(auto id, sealed::parse_key_id(id_text));
  TRY(const std::string key_text, json.text_at("key"));
  TRY(const Bytes bytes, codec::decode_base64url(key_text));
  TRY(auto key, sealed::NodeKey::from(bytes));
  TRY(const std::string kept_text, json.text_at("kept"));
  TRY(const UnixTime kept, parse_iso8601(kept_text));
  TRY(auto by, json.text_at("by"));
  return KeptKey{.node = std::move(node),
                 .purpose = purpose,
                 .id = std::move(id),
                 .key = std::move(key),
                 .kept = kept,
                 .by = std::move(by)};
}

auto is_of(const sealed::NodeName& node, KeyPurpose purpose) {
  return [&node, purpose](const KeptKey& kept) { return kept.node == node && kept.purpose == purpose; };
}

Result<std::vector<KeptKey>> read_kept_keys(std::string_view text) {
  TRY(const Json json, codec::parse_json(text, {.size = kMaxKeptKeysFile, .depth = 4, .values = 64'000}));
  TRY_VOID(json.only_keys({"version", "keys"}));
  TRY(const std::int64_t version, json.integer_at("version"));
  if (version != 1) return failf(Errc::malformed, "version {}, this program knows 1", version);
  TRY(const Json listed, json.at("keys"));
  TRY(const auto array, listed.array());
  std::vector<KeptKey> out;
  for (const Json& element : array) {
    auto kept = read_kept_key(element);
    if (!kept) return std::unexpected(std::move(kept).error().at(fmt::format("key {}", out.size() + 1)));
    if (std::ranges::any_of(out, is_of(kept->node, kept->purpose)))
      return failf(Errc::malformed, "node '{}': two keys for {}", kept->node.get(), to_string(kept->purpose));
    out.push_back(*std::move(kept));
  }
  return out;
}

}  // namespace

std::string_view to_string(KeyPurpose purpose) {
  return purpose == KeyPurpose::calls ? "calls" : "keys";
}

Result<KeyPurpose> parse_key_purpose(std::string_view text) {
  if (text == "calls") return KeyPurpose::calls;
  if (text == "keys") return KeyPurpose::keys;
  return fail(Errc::malformed, "purpose: want calls or keys");
}

Result<void> KeptKeys::read() {
  keys_.clear();
  auto text = keystore::read_secret_file(file_, kMaxKeptKeysFile);
  if (!text && text.error().code == Errc::not_found) return {};
  if (!text) return std::unexpected(std::move(text).error());
  auto keys = read_kept_keys(as_text(text->expose()));
  if (!keys) return std::unexpected(std::move(keys).error().at(file_.native()));
  keys_ = *std::move(keys);
  return {};
}

Result<KeptKeys> KeptKeys::open(std::filesystem::path file) {
  KeptKeys out(std::move(file));
  TRY_VOID(out.read());
  return out;
}

Result<void> KeptKeys::check_room(const sealed::NodeName& node, KeyPurpose purpose) const {
  if (keys_.size() < kMaxKeptKeys || find(node, purpose) != nullptr) return {};
  return failf(Errc::overloaded, "kept keys: {} already", keys_.size());
}

Result<void> KeptKeys::keep(KeptKey key) {
  TRY_VOID(check_room(key.node, key.purpose));
  const auto found = std::ranges::find_if(keys_, is_of(key.node, key.purpose));
  if (found != keys_.end()) {
    *found = std::move(key);
  } else {
    keys_.push_back(std::move(key));
  }
  return save();
}

Result<void> KeptKeys::forget(const sealed::NodeName& node, KeyPurpose purpose) {
  if (std::erase_if(keys_, is_of(node, purpose)) == 0)
    return failf(Errc::not_found, "not-found: no key for {} is kept for this node", to_string(purpose));
  return save();
}

const KeptKey* KeptKeys::find(const sealed::NodeName& node, KeyPurpose purpose) const {
  const auto found = std::ranges::find_if(keys_, is_of(node, purpose));
  return found == keys_.end() ? nullptr : &*found;
}

Result<void> KeptKeys::save() {
  Json::Array keys;
  for (const KeptKey& kept : keys_) keys.push_back(kept_key_json(kept));
  const SecretBytes text(Json(Json::Object{{"version", 1}, {"keys", std::move(keys)}}).write() + "\n");
  auto written = keystore::atomic_write_file(file_, text.expose(), keystore::kSecretMode);
  if (!written) static_cast<void>(read());
  return written;
}

}  // namespace sallyport::rpcnode
