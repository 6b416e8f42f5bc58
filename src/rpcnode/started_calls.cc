#include "rpcnode/started_calls.h"

#include <algorithm>

#include "crypto/hash.h"
#include "keystore/file.h"
#include "sealed/json_rpc.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::uint8_t kStarted = 1;
constexpr std::uint8_t kResult = 2;
constexpr std::uint8_t kForgotten = 3;
constexpr std::size_t kHeadBytes = 8;
constexpr std::size_t kSumBytes = 4;
constexpr std::size_t kFixedBytes = 1 + 16 + 16 + 4;
constexpr std::size_t kMaxRecord = kFixedBytes + sealed::kMaxMessageBytes + kSumBytes;
// Identifiers with an earlier time are of callers without a clock.
constexpr UnixTime kFirstClock{1'577'836'800};

Bytes sum_of(ByteView record) {
  const auto digest = crypto::sha256(record);
  return to_bytes(ByteView(digest).first(kSumBytes));
}

UnixTime drawn_at(const sealed::CallId& id) {
  std::int64_t ms = 0;
  for (const std::uint8_t byte : ByteView(id.get()).first(6)) ms = ms << 8 | byte;
  return UnixTime(ms / 1'000);
}

std::uint32_t clamped(UnixTime time) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.since_epoch(), 0, UINT32_MAX));
}

Bytes encode_record(std::uint8_t kind, const StartedCall& call) {
  Writer record;
  record.u8(kind).bytes(call.principal).bytes(call.id.get()).u32(clamped(call.until));
  if (kind == kResult) record.bytes(*call.result);
  const Bytes sum = sum_of(record.view());
  const auto length = static_cast<std::uint32_t>(record.size() + sum.size());
  return Writer().u32(length).u32(~length).bytes(record.view()).bytes(sum).take();
}

struct Record {
  std::uint8_t kind = 0;
  StartedCall call;
};

Result<Record> parse_record(ByteView record) {
  if (record.size() < kFixedBytes + kSumBytes) return fail(Errc::malformed, "record: too short");
  const ByteView checked = record.first(record.size() - kSumBytes);
  if (!equal(sum_of(checked), record.last(kSumBytes))) return fail(Errc::malformed, "record: its sum is another");
  Reader reader(checked);
  Record out;
  TRY(out.kind, reader.u8());
  if (out.kind < kStarted || out.kind > kForgotten)
    return failf(Errc::malformed, "record: kind {}, want 1 to 3", out.kind);
  TRY(out.call.principal, reader.array<16>());
  TRY(const auto id, reader.array<16>());
  out.call.id = sealed::CallId(id);
  TRY(const std::uint32_t until, reader.u32());
  out.call.until = UnixTime(until);
  if (out.kind == kResult) out.call.result = to_bytes(reader.rest());
  if (out.kind != kResult) TRY_VOID(reader.finish("record"));
  return out;
}

// What a crash leaves behind the last record: too little, or space that was never written.
bool is_torn(ByteView rest) {
  return rest.size() < kHeadBytes || std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; });
}

sealed::ReplyBody fitting(sealed::ReplyBody result) {
  if (result.json.size() <= kMaxKeptResult) return result;
  result.json = sealed::rpc_error(nullptr, sealed::RpcCode::too_large, "the result is longer than may be kept").write();
  return result;
}

}  // namespace

Bytes encode_started_call(const StartedCall& call) {
  return encode_record(call.result ? kResult : kStarted, call);
}

Result<StartedFile> parse_started_calls(ByteView bytes) {
  StartedFile out;
  Reader reader(bytes);
  while (!is_torn(reader.rest())) {
    const std::size_t before = reader.remaining();
    TRY(const std::uint32_t length, reader.u32());
    TRY(const std::uint32_t complement, reader.u32());
    if (length != ~complement || length > kMaxRecord)
      return failf(Errc::malformed, "byte {}: no record of {} bytes", out.good, length);
    const auto bytes_of_record = reader.bytes(length);
    if (!bytes_of_record) return out;
    auto record = parse_record(*bytes_of_record);
    if (!record && reader.remaining() == 0) return out;
    if (!record) return std::unexpected(std::move(record).error().at(fmt::format("byte {}", out.good)));
    if (record->kind == kForgotten) out.forgotten = std::max(out.forgotten, record->call.until);
    if (record->kind != kForgotten) out.calls.push_back(std::move(record->call));
    out.good += before - reader.remaining();
  }
  return out;
}

StartedCalls::Key StartedCalls::key_of(const sealed::Principal& principal, const sealed::CallId& id) {
  const auto digest = crypto::sha256(as_bytes(principal.get()));
  Key out{{}, id};
  std::ranges::copy(ByteView(digest).first(out.first.size()), out.first.begin());
  return out;
}

void StartedCalls::insert(const Key& key, Kept kept) {
  erase(key);
  Use& use = uses_[key.first];
  ++use.calls;
  if (kept.result) use.result_bytes += kept.result->size();
  calls_[key] = std::move(kept);
}

void StartedCalls::erase(const Key& key) {
  const auto found = calls_.find(key);
  if (found == calls_.end()) return;
  const auto use = uses_.find(key.first);
  if (found->second.result) use->second.result_bytes -= found->second.result->size();
  if (--use->second.calls == 0) uses_.erase(use);
  calls_.erase(found);
}

void StartedCalls::forget(UnixTime now) {
  std::vector<Key> over;
  for (const auto& [key, kept] : calls_) {
    if (!kept.runs && kept.is_durable && kept.until < now) over.push_back(key);
  }
  for (const Key& key : over) {
    forgotten_ = std::max(forgotten_, calls_.at(key).until);
    erase(key);
  }
}

Result<std::unique_ptr<StartedCalls>> StartedCalls::open(std::filesystem::path file, UnixTime now,
                                                         net::TaskGroup& tasks) {
  std::unique_ptr<StartedCalls> out(new StartedCalls(std::move(file), tasks));
  auto bytes = keystore::read_file(out->file_, kMaxStartedFile);
  if (!bytes && bytes.error().code != Errc::not_found) return std::unexpected(std::move(bytes).error());
  if (bytes) {
    auto read = parse_started_calls(*bytes);
    if (!read) return std::unexpected(std::move(read).error().at(out->file_.native()));
    out->forgotten_ = read->forgotten;
    for (StartedCall& call : read->calls)
      out->insert({call.principal, call.id}, {.until = call.until, .result = std::move(call.result)});
  }
  out->forget(now);
  TRY_VOID(out->reopen());
  return out;
}

Bytes StartedCalls::encode_all() const {
  Bytes all;
  if (forgotten_ > UnixTime()) append(all, encode_record(kForgotten, {.until = forgotten_}));
  for (const auto& [key, kept] : calls_) {
    StartedCall call{.principal = key.first, .id = key.second, .until = kept.until, .result = std::nullopt};
    append(all, encode_started_call(call));
    if (!kept.result) continue;
    call.result = kept.result;
    append(all, encode_started_call(call));
  }
  return all;
}

std::size_t StartedCalls::needed_bytes() const {
  std::size_t bytes = calls_.size() * (kHeadBytes + kFixedBytes + kSumBytes);
  for (const auto& [owner, use] : uses_) bytes += use.result_bytes;
  return bytes;
}

Result<void> StartedCalls::reopen() {
  log_.reset();
  TRY_VOID(keystore::atomic_write_file(file_, encode_all(), keystore::kSecretMode));
  TRY(auto opened, keystore::AppendFile::open(file_, keystore::kSecretMode));
  log_ = std::make_unique<DurableLog>(std::move(opened), tasks_);
  return {};
}

Result<void> StartedCalls::check_room(const Key& key) const {
  if (log_ == nullptr || log_->is_broken()) return fail(Errc::unavailable, "started calls: the file cannot be written");
  if (calls_.size() >= kMaxStartedCalls || log_->size() >= kMaxStartedFile / 2)
    return failf(Errc::overloaded, "started calls: {} are remembered already", calls_.size());
  const auto use = uses_.find(key.first);
  if (use != uses_.end() && (use->second.calls >= kMaxStartedOfOne || use->second.result_bytes >= kMaxResultBytesOfOne))
    return failf(Errc::overloaded, "started calls: {} of one caller are remembered already", use->second.calls);
  return {};
}

net::Task<Result<StartedCalls::Mark>> StartedCalls::start(sealed::Principal principal, sealed::CallId id,
                                                          UnixTime deadline, UnixTime now) {
  const Key key = key_of(principal, id);
  if (const auto found = calls_.find(key); found != calls_.end()) {
    if (found->second.is_durable) co_return Mark::was_there;
    co_return fail(Errc::overloaded, "started calls: its mark is being written");
  }
  const UnixTime drawn = drawn_at(id);
  if ((drawn > kFirstClock && drawn + kRepeatLife < now) || deadline + kMarkMargin <= forgotten_)
    co_return fail(Errc::expired, "started calls: whether it ran cannot be told any more");
  CO_TRY_VOID(check_room(key));
  const UnixTime until = std::max(deadline, now + kRepeatLife) + kMarkMargin;
  insert(key, {.until = until, .result = std::nullopt, .is_durable = false, .runs = true});
  const StartedCall call{.principal = key.first, .id = id, .until = until, .result = std::nullopt};
  const auto written = co_await log_->append(encode_started_call(call));
  Kept& kept = calls_.at(key);
  kept.is_durable = true;
  if (written) co_return Mark::made;
  kept.runs = false;
  // What may come to the disk late is known from now on; the rest was never there.
  if (written.error().code != Errc::expired) erase(key);
  co_return std::unexpected(written.error());
}

void StartedCalls::end(const sealed::Principal& principal, const sealed::CallId& id) {
  if (const auto found = calls_.find(key_of(principal, id)); found != calls_.end()) found->second.runs = false;
}

net::Task<Result<void>> StartedCalls::keep(sealed::Principal principal, sealed::CallId id, sealed::ReplyBody result) {
  const Key key = key_of(principal, id);
  const auto found = calls_.find(key);
  if (found == calls_.end()) co_return fail(Errc::not_found, "started calls: no mark of this call");
  const StartedCall call{.principal = key.first,
                         .id = id,
                         .until = found->second.until,
                         .result = sealed::encode_reply_body(fitting(std::move(result)))};
  const bool runs = found->second.runs;
  insert(key, {.until = call.until, .result = call.result, .is_durable = true, .runs = runs});
  if (log_ == nullptr || log_->size() >= kMaxStartedFile / 2)
    co_return fail(Errc::overloaded, "started calls: the file has no room for a result");
  co_return co_await log_->append(encode_started_call(call));
}

std::optional<sealed::ReplyBody> StartedCalls::find(const sealed::Principal& principal,
                                                    const sealed::CallId& id) const {
  const auto found = calls_.find(key_of(principal, id));
  if (found == calls_.end()) return std::nullopt;
  if (found->second.result) {
    if (auto parsed = sealed::parse_reply_body(*found->second.result)) return *std::move(parsed);
  }
  return sealed::ReplyBody{.status = sealed::ReplyStatus::outcome_unknown};
}

bool StartedCalls::runs(const sealed::Principal& principal, const sealed::CallId& id) const {
  const auto found = calls_.find(key_of(principal, id));
  return found != calls_.end() && found->second.runs;
}

Result<void> StartedCalls::on_tick(UnixTime now) {
  forget(now);
  const bool is_unwritable = log_ == nullptr || (log_->is_broken() && log_->is_idle());
  if (is_unwritable) return reopen();
  if (!log_->is_idle() || log_->size() < kCompactAbove || log_->size() < 2 * needed_bytes()) return {};
  return reopen();
}

}  // namespace sallyport::rpcnode
