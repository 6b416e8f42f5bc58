#include "rpcnode/node_keys.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/names.h"
#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr std::size_t kMaxSecrets = 2;

Json texts_json(const std::vector<std::string>& texts) {
  Json::Array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

Result<std::vector<std::string>> read_texts(const Json& object, std::string_view key) {
  TRY(const Json value, object.at(key));
  TRY(const auto array, value.array());
  std::vector<std::string> out;
  for (const Json& element : array) {
    TRY(auto text, element.text());
    out.push_back(std::move(text));
  }
  return out;
}

Json time_json(const std::optional<UnixTime>& time) {
  return time ? Json(to_iso8601(*time)) : Json(nullptr);
}

Result<std::optional<UnixTime>> read_time(const Json& object, std::string_view key) {
  TRY(const Json value, object.at(key));
  if (value.is_null()) return std::nullopt;
  TRY(const std::string text, value.text());
  TRY(const UnixTime time, parse_iso8601(text));
  return time;
}

Json secret_json(const NodeSecret& secret) {
  return Json::Object{{"key", codec::encode_base64url(secret.key.expose())},
                      {"made", to_iso8601(secret.made)},
                      {"until", time_json(secret.until)}};
}

Result<NodeSecret> read_secret(const Json& json) {
  TRY_VOID(json.only_keys({"key", "made", "until"}));
  TRY(const std::string text, json.text_at("key"));
  TRY(const Bytes bytes, codec::decode_base64url(text));
  TRY(auto key, sealed::NodeKey::from(bytes));
  TRY(const auto made, read_time(json, "made"));
  if (!made) return fail(Errc::malformed, "made: null, want a time");
  TRY(const auto until, read_time(json, "until"));
  return NodeSecret{.key = std::move(key), .made = *made, .until = until};
}

Json pairing_json(const std::optional<Pairing>& pairing) {
  if (!pairing) return nullptr;
  return Json::Object{{"uses", std::uint64_t{pairing->uses}}, {"shared", pairing->shared}};
}

// Absent in files of before.
Result<std::optional<Pairing>> read_pairing(const Json& object) {
  const Json* const value = object.find("pairing");
  if (value == nullptr || value->is_null()) return std::nullopt;
  TRY_VOID(value->only_keys({"uses", "shared"}));
  TRY(const std::int64_t uses, value->integer_at("uses"));
  if (uses < 1 || uses > kMaxPairingUses)
    return failf(Errc::malformed, "uses: {}, want 1 to {}", uses, kMaxPairingUses);
  TRY(const bool shared, value->boolean_at("shared"));
  return Pairing{.uses = static_cast<std::uint32_t>(uses), .shared = shared};
}

// What a key or a paired caller may do.
Json::Object rights_json(const AccessRules& rules, std::uint32_t calls_per_minute) {
  return {{"allow", texts_json(rules.allow)},
          {"deny", texts_json(rules.deny)},
          {"items", texts_json(rules.items)},
          {"deny_items", texts_json(rules.deny_items)},
          {"calls_per_minute", std::uint64_t{calls_per_minute}}};
}

// All of a key but its secrets.
Json::Object told_json(const NodeKeyRecord& record) {
  Json::Object out = rights_json(record.rules, record.calls_per_minute);
  out.emplace("id", record.id.get());
  out.emplace("comment", record.comment);
  out.emplace("expires", time_json(record.expires));
  out.emplace("pairing", pairing_json(record.pairing));
  return out;
}

Json record_json(const NodeKeyRecord& record) {
  Json::Array secrets;
  for (const NodeSecret& secret : record.secrets) secrets.push_back(secret_json(secret));
  Json::Object out = told_json(record);
  out.emplace("secrets", std::move(secrets));
  return out;
}

Result<AccessRules> read_rules(const Json& json) {
  AccessRules rules;
  TRY(rules.allow, read_texts(json, "allow"));
  TRY(rules.deny, read_texts(json, "deny"));
  TRY(rules.items, read_texts(json, "items"));
  TRY(rules.deny_items, read_texts(json, "deny_items"));
  TRY_VOID(check_rules(rules));
  return rules;
}

Result<void> check_rate(std::int64_t rate) {
  if (rate < 1 || rate > kMaxCallsPerMinute)
    return failf(Errc::malformed, "calls per minute: found {}, want 1 to {}", rate, kMaxCallsPerMinute);
  return {};
}

Result<std::uint32_t> read_rate(const Json& json) {
  TRY(const std::int64_t rate, json.integer_at("calls_per_minute"));
  TRY_VOID(check_rate(rate));
  return static_cast<std::uint32_t>(rate);
}

Result<NodeKeyRecord> read_record(const Json& json) {
  TRY_VOID(json.only_keys(
      {"id", "comment", "allow", "deny", "items", "deny_items", "calls_per_minute", "expires", "pairing", "secrets"}));
  NodeKeyRecord out;
  TRY(const std::string id, json.text_at("id"));
  TRY(out.id, sealed::parse_key_id(id));
  TRY(out.comment, json.text_at("comment"));
  TRY(out.rules, read_rules(json));
  TRY(out.calls_per_minute, read_rate(json));
  TRY(out.expires, read_time(json, "expires"));
  TRY(out.pairing, read_pairing(json));
  TRY(const Json secrets, json.at("secrets"));
  TRY(const auto array, secrets.array());
  if (array.empty() || array.size() > kMaxSecrets)
    return failf(Errc::malformed, "secrets: {}, want 1 to {}", array.size(), kMaxSecrets);
  for (const Json& secret : array) {
    TRY(auto read, read_secret(secret));
    out.secrets.push_back(std::move(read));
  }
  return out;
}

Result<std::vector<PairedCaller>> read_paired(const Json& json) {
  std::vector<PairedCaller> out;
  const Json* const callers = json.find("paired");
  if (callers == nullptr) return out;
  TRY(const auto array, callers->array());
  for (const Json& element : array) {
    TRY_VOID(element.only_keys({"who", "allow", "deny", "items", "deny_items", "calls_per_minute", "since"}));
    PairedCaller caller;
    TRY(caller.who, element.text_at("who"));
    TRY_VOID(check_who(caller.who));
    TRY(caller.rules, read_rules(element));
    TRY(caller.calls_per_minute, read_rate(element));
    TRY(const std::string since, element.text_at("since"));
    TRY(caller.since, parse_iso8601(since));
    out.push_back(std::move(caller));
  }
  return out;
}

struct KeyFileContent {
  std::vector<NodeKeyRecord> records;
  std::vector<PairedCaller> paired;
};

Result<KeyFileContent> read_records(std::string_view text) {
  TRY(const Json json, codec::parse_json(text, {.size = kMaxKeyFile, .depth = 8, .values = 256'000}));
  TRY_VOID(json.only_keys({"version", "keys", "paired"}));
  TRY(const std::int64_t version, json.integer_at("version"));
  if (version != 1) return failf(Errc::malformed, "version {}, this program knows 1", version);
  TRY(const Json keys, json.at("keys"));
  TRY(const auto array, keys.array());
  KeyFileContent content;
  TRY(content.paired, read_paired(json));
  std::vector<NodeKeyRecord>& out = content.records;
  for (const Json& element : array) {
    auto record = read_record(element);
    if (!record) return std::unexpected(std::move(record).error().at(fmt::format("key {}", out.size() + 1)));
    const auto same = [&](const NodeKeyRecord& other) { return other.id == record->id; };
    if (std::ranges::any_of(out, same)) return failf(Errc::malformed, "key '{}' is there twice", record->id.get());
    out.push_back(*std::move(record));
  }
  return content;
}

}  // namespace

// Whom a certificate can make known: what stands for nobody in particular is none.
Result<void> check_who(std::string_view who) {
  constexpr std::string_view kDevice = "device:", kPerson = "person:";
  if (who.starts_with(kDevice)) {
    TRY_VOID(parse_device_name(who.substr(kDevice.size())));
    return {};
  }
  const auto is_good = [](char c) { return c > 0x20 && c < 0x7F && c != '*'; };
  if (!who.starts_with(kPerson) || who.size() == kPerson.size() || who.size() > kMaxKeyComment ||
      !std::ranges::all_of(who, is_good))
    return fail(Errc::malformed, "who: want device:NAME or person:LOGIN");
  return {};
}

Json paired_json(const PairedCaller& caller) {
  Json::Object out = rights_json(caller.rules, caller.calls_per_minute);
  out.emplace("who", caller.who);
  out.emplace("since", to_iso8601(caller.since));
  return out;
}

Json key_json(const NodeKeyRecord& record) {
  Json::Object out = told_json(record);
  out.emplace("made", to_iso8601(record.secrets.front().made));
  out.emplace("secrets", std::uint64_t{record.secrets.size()});
  return out;
}

NodeKeys::Version NodeKeys::version_of(const std::filesystem::path& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) return {};
  return {.inode = found.st_ino,
          .changed_ns = found.st_ctim.tv_sec * std::int64_t{1'000'000'000} + found.st_ctim.tv_nsec};
}

Result<void> NodeKeys::read() {
  // Looked at first: a change in between is seen next time.
  const Version version = version_of(file_);
  auto text = keystore::read_secret_file(file_, kMaxKeyFile);
  if (!text && text.error().code != Errc::not_found) return std::unexpected(std::move(text).error());
  if (text) {
    auto records = read_records(as_text(text->expose()));
    if (!records) return std::unexpected(std::move(records).error().at(file_.native()));
    records_ = std::move(records->records);
    paired_ = std::move(records->paired);
  } else {
    records_.clear();
    paired_.clear();
  }
  version_ = version;
  return {};
}

Result<NodeKeys> NodeKeys::open(std::filesystem::path file, sealed::NodeName node) {
  NodeKeys out(std::move(file), std::move(node));
  TRY_VOID(out.read());
  return out;
}

Result<bool> NodeKeys::follow_file() {
  if (version_of(file_) == version_) return false;
  TRY_VOID(read());
  return true;
}

Result<net::Descriptor> NodeKeys::lock_and_read() {
  const std::string path = file_.native() + ".lock";
  net::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, keystore::kSecretMode));
  if (!lock.is_open() || ::flock(lock.get(), LOCK_EX) != 0)
    return failf(Errc::unavailable, "{}: {}", path, std::strerror(errno));
  TRY_VOID(read());
  return lock;
}

const NodeKeyRecord* NodeKeys::find(const sealed::KeyId& id) const {
  const auto found = std::ranges::find(records_, id, &NodeKeyRecord::id);
  return found == records_.end() ? nullptr : &*found;
}

NodeKeyRecord* NodeKeys::find_mutable(const sealed::KeyId& id) {
  const auto found = std::ranges::find(records_, id, &NodeKeyRecord::id);
  return found == records_.end() ? nullptr : &*found;
}

Result<void> NodeKeys::check_new(const NewKey& chosen, UnixTime now) const {
  if (chosen.id.get() == kPairingKey)
    return failf(Errc::conflict, "key '{}': is the one by which callers pair; want another id", kPairingKey);
  if (find(chosen.id) != nullptr)
    return failf(Errc::conflict, "key '{}': is there already; rotate or remove it", chosen.id.get());
  if (records_.size() >= kMaxNodeKeys) return failf(Errc::overloaded, "keys: {} already", records_.size());
  if (chosen.comment.size() > kMaxKeyComment || !codec::is_utf8(chosen.comment))
    return failf(Errc::malformed, "comment: want UTF-8 of at most {} bytes", kMaxKeyComment);
  if (chosen.expires && *chosen.expires <= now)
    return failf(Errc::expired, "key '{}': would have ended at {}", chosen.id.get(), to_iso8601(*chosen.expires));
  TRY_VOID(check_rate(chosen.calls_per_minute));
  return check_rules(chosen.rules);
}

NodeKeyRecord NodeKeys::make_record(NewKey chosen, const Secret<32>& secret, UnixTime now) const {
  NodeKeyRecord record{.id = std::move(chosen.id),
                       .comment = std::move(chosen.comment),
                       .rules = std::move(chosen.rules),
                       .calls_per_minute = chosen.calls_per_minute,
                       .expires = chosen.expires,
                       .secrets = {},
                       .pairing = std::nullopt};
  record.secrets.push_back({.key = sealed::derive_node_key(secret, node_), .made = now, .until = std::nullopt});
  return record;
}

Result<void> NodeKeys::insert(NewKey chosen, const Secret<32>& secret, UnixTime now) {
  records_.push_back(make_record(std::move(chosen), secret, now));
  return save(now);
}

Result<sealed::ApiKey> NodeKeys::add(NewKey chosen, UnixTime now, Random& random) {
  TRY(const net::Descriptor lock, lock_and_read());
  TRY_VOID(check_new(chosen, now));
  sealed::ApiKey key = sealed::draw_api_key(chosen.id, random);
  TRY_VOID(insert(std::move(chosen), key.secret, now));
  return key;
}

Result<void> NodeKeys::take(NewKey chosen, const sealed::ApiKey& key, UnixTime now) {
  TRY(const net::Descriptor lock, lock_and_read());
  chosen.id = key.id;
  TRY_VOID(check_new(chosen, now));
  return insert(std::move(chosen), key.secret, now);
}

Result<sealed::ApiKey> NodeKeys::rotate(const sealed::KeyId& id, seconds overlap, UnixTime now, Random& random) {
  TRY(const net::Descriptor lock, lock_and_read());
  NodeKeyRecord* record = find_mutable(id);
  if (record == nullptr) return failf(Errc::not_found, "key '{}': there is none", id.get());
  if (record->pairing) return failf(Errc::conflict, "key '{}': is opened anew, not rotated", id.get());
  if (overlap < seconds(0) || overlap > kMaxOverlap)
    return failf(Errc::malformed, "overlap: found {} s, want 0 to {}", overlap.count(), kMaxOverlap.count());
  sealed::ApiKey key = sealed::draw_api_key(id, random);
  std::vector<NodeSecret> before = std::move(record->secrets);
  record->secrets.clear();
  record->secrets.push_back({.key = sealed::derive_node_key(key.secret, node_), .made = now, .until = std::nullopt});
  if (overlap > seconds(0))
    record->secrets.push_back({.key = before.front().key.clone(), .made = before.front().made, .until = now + overlap});
  TRY_VOID(save(now));
  return key;
}

Result<void> NodeKeys::remove(const sealed::KeyId& id, UnixTime now) {
  TRY(const net::Descriptor lock, lock_and_read());
  if (std::erase_if(records_, [&](const NodeKeyRecord& record) { return record.id == id; }) == 0)
    return failf(Errc::not_found, "key '{}': there is none", id.get());
  return save(now);
}

Result<void> NodeKeys::save(UnixTime now) {
  Json::Array keys;
  for (NodeKeyRecord& record : records_) {
    std::erase_if(record.secrets, [&](const NodeSecret& secret) { return secret.until && *secret.until <= now; });
    keys.push_back(record_json(record));
  }
  Json::Array paired;
  for (const PairedCaller& caller : paired_) paired.push_back(paired_json(caller));
  const SecretBytes text(
      Json(Json::Object{{"version", 1}, {"keys", std::move(keys)}, {"paired", std::move(paired)}}).write() + "\n");
  auto written = keystore::atomic_write_file(file_, text.expose(), keystore::kSecretMode);
  if (!written) {
    static_cast<void>(read());
    return written;
  }
  version_ = version_of(file_);
  return {};
}

}  // namespace sallyport::rpcnode
