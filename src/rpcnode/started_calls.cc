#include "rpcnode/started_calls.h"

#include <algorithm>

#include "crypto/hash.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::uint8_t kStarted = 1;
constexpr std::uint8_t kResult = 2;
constexpr std::size_t kSumBytes = 4;
constexpr std::size_t kFixedBytes = 1 + 16 + 16 + 4;
constexpr std::size_t kMaxRecord = kFixedBytes + sealed::kMaxMessageBytes + kSumBytes;

Bytes sum_of(ByteView record) {
  const auto digest = crypto::sha256(record);
  return to_bytes(ByteView(digest).first(kSumBytes));
}

Result<StartedCall> parse_record(ByteView record) {
  if (record.size() < kFixedBytes + kSumBytes) return fail(Errc::malformed, "record: too short");
  const ByteView checked = record.first(record.size() - kSumBytes);
  if (!equal(sum_of(checked), record.last(kSumBytes))) return fail(Errc::malformed, "record: its sum is another");
  Reader reader(checked);
  StartedCall out;
  TRY(const std::uint8_t kind, reader.u8());
  if (kind != kStarted && kind != kResult) return failf(Errc::malformed, "record: kind {}, want 1 or 2", kind);
  TRY(out.principal, reader.array<16>());
  TRY(const auto id, reader.array<16>());
  out.id = sealed::CallId(id);
  TRY(const std::uint32_t deadline, reader.u32());
  out.deadline = UnixTime(deadline);
  if (kind == kResult) out.result = to_bytes(reader.rest());
  if (kind == kStarted) TRY_VOID(reader.finish("record"));
  return out;
}

}  // namespace

Bytes encode_started_call(const StartedCall& call) {
  Writer record;
  record.u8(call.result ? kResult : kStarted).bytes(call.principal).bytes(call.id.get());
  record.u32(static_cast<std::uint32_t>(call.deadline.since_epoch()));
  if (call.result) record.bytes(*call.result);
  const Bytes sum = sum_of(record.view());
  Writer out;
  out.u32(static_cast<std::uint32_t>(record.size() + sum.size())).bytes(record.view()).bytes(sum);
  return out.take();
}

Result<StartedFile> parse_started_calls(ByteView bytes) {
  StartedFile out;
  Reader reader(bytes);
  while (reader.remaining() > 0) {
    const ByteView before = reader.rest();
    const auto length = reader.u32();
    if (!length) return out;
    if (*length > kMaxRecord) return failf(Errc::malformed, "byte {}: record of {} bytes", out.good, *length);
    const auto record = reader.bytes(*length);
    if (!record) return out;
    auto call = parse_record(*record);
    if (!call && reader.remaining() == 0) return out;
    if (!call) return std::unexpected(std::move(call).error().at(fmt::format("byte {}", out.good)));
    out.calls.push_back(*std::move(call));
    out.good += before.size() - reader.remaining();
  }
  return out;
}

StartedCalls::Key StartedCalls::key_of(const sealed::Principal& principal, const sealed::CallId& id) {
  const auto digest = crypto::sha256(as_bytes(principal.get()));
  Key out{{}, id};
  std::ranges::copy(ByteView(digest).first(out.first.size()), out.first.begin());
  return out;
}

Result<std::unique_ptr<StartedCalls>> StartedCalls::open(std::filesystem::path file, UnixTime now,
                                                         net::TaskGroup& tasks) {
  std::unique_ptr<StartedCalls> out(new StartedCalls(std::move(file), tasks));
  auto bytes = keystore::read_file(out->file_, kMaxStartedFile);
  if (!bytes && bytes.error().code != Errc::not_found) return std::unexpected(std::move(bytes).error());
  if (bytes) {
    auto read = parse_started_calls(*bytes);
    if (!read) return std::unexpected(std::move(read).error().at(out->file_.native()));
    for (StartedCall& call : read->calls) {
      if (call.deadline + kMarkMargin < now) continue;
      Kept& kept = out->calls_[Key{call.principal, call.id}];
      kept.deadline = call.deadline;
      if (call.result) kept.result = std::move(call.result);
    }
  }
  TRY_VOID(out->reopen());
  return out;
}

Bytes StartedCalls::encode_all() const {
  Bytes all;
  for (const auto& [key, kept] : calls_) {
    StartedCall call{.principal = key.first, .id = key.second, .deadline = kept.deadline, .result = std::nullopt};
    append(all, encode_started_call(call));
    if (!kept.result) continue;
    call.result = kept.result;
    append(all, encode_started_call(call));
  }
  return all;
}

Result<void> StartedCalls::reopen() {
  log_.reset();
  TRY_VOID(keystore::atomic_write_file(file_, encode_all(), keystore::kSecretMode));
  TRY(auto opened, keystore::AppendFile::open(file_, keystore::kSecretMode));
  log_ = std::make_unique<DurableLog>(std::move(opened), tasks_);
  return {};
}

net::Task<Result<StartedCalls::Mark>> StartedCalls::start(sealed::Principal principal, sealed::CallId id,
                                                          UnixTime deadline) {
  const Key key = key_of(principal, id);
  if (calls_.contains(key)) co_return Mark::was_there;
  if (log_ == nullptr) co_return fail(Errc::unavailable, "started calls: the file could not be opened again");
  if (calls_.size() >= kMaxStartedCalls || log_->size() >= kMaxStartedFile / 2)
    co_return failf(Errc::overloaded, "started calls: {} are remembered already", calls_.size());
  calls_[key] = {.deadline = deadline, .result = std::nullopt, .ours = true};
  const StartedCall call{.principal = key.first, .id = id, .deadline = deadline, .result = std::nullopt};
  CO_TRY_VOID(co_await log_->append(encode_started_call(call)));
  co_return Mark::made;
}

net::Task<Result<void>> StartedCalls::keep(sealed::Principal principal, sealed::CallId id, sealed::ReplyBody result) {
  const Key key = key_of(principal, id);
  const auto found = calls_.find(key);
  if (found == calls_.end()) co_return fail(Errc::not_found, "started calls: no mark of this call");
  if (log_ == nullptr) co_return fail(Errc::unavailable, "started calls: the file could not be opened again");
  const StartedCall call{.principal = key.first,
                         .id = id,
                         .deadline = found->second.deadline,
                         .result = sealed::encode_reply_body(result)};
  found->second.result = call.result;
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
  return found != calls_.end() && found->second.ours && !found->second.result;
}

Result<void> StartedCalls::on_tick(UnixTime now) {
  std::erase_if(calls_, [&](const auto& entry) { return entry.second.deadline + kMarkMargin < now; });
  if (log_ == nullptr) return reopen();
  if (!log_->is_idle() || log_->is_broken() || log_->size() < kCompactAbove) return {};
  if (log_->size() < 2 * encode_all().size()) return {};
  return reopen();
}

}  // namespace sallyport::rpcnode
