#include "authority/log_keeper.h"

#include <utility>

#include "authority/audit.h"
#include "authority/core.h"
#include "authority/log_entries.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "tlog/proof.h"

namespace sallyport::authority {
namespace {

// Entries that one transaction hashes, and records that one takes in from before there was a log.
constexpr std::size_t kHashPage = 4'096;
constexpr std::size_t kBackfillPage = 1'000;
// How long after a round that failed the next is tried.
constexpr milliseconds kRetryInterval{5'000};
constexpr std::string_view kCheckpointValue = "log.checkpoint";

std::unexpected<Error> closed() {
  return fail(Errc::unavailable, "log: the authority is ending");
}

Result<Bytes> read_hashes(records::Records& records, const tlog::Tile& tile) {
  TRY(auto found, records.log().find_tile(*tile.level, tile.index));
  const std::size_t wanted = tile.width * tlog::kHashSize;
  if (!found || found->size() < wanted) return failf(Errc::not_found, "{}: not there", tlog::tile_path(tile));
  found->resize(wanted);
  return *std::move(found);
}

Result<Bytes> read_bundle(records::Records& records, const tlog::Tile& tile) {
  TRY(const auto entries, records.log().entries(tile.index * tlog::kTileWidth, tile.width));
  if (entries.size() < tile.width) return failf(Errc::not_found, "{}: not there", tlog::tile_path(tile));
  return tlog::encode_bundle(entries);
}

// Brings at most kHashPage entries into the tiles; returns whether those were all.
Result<bool> hash_page(records::Records& records) {
  TRY(const auto hashed, records.log().hashed());
  TRY(const auto entries, records.log().entries(hashed, kHashPage));
  if (entries.empty()) return true;
  TRY(auto appender, tlog::TileAppender::begin(hashed, tile_reader(records)));
  for (const Bytes& entry : entries) appender.append(tlog::leaf_hash(entry));
  for (const auto& [tile, bytes] : appender.take()) {
    TRY_VOID(records.log().put_tile(*tile.level, tile.index, bytes));
  }
  return entries.size() < kHashPage;
}

}  // namespace

tlog::ReadTile tile_reader(records::Records& records) {
  return [&records](const tlog::Tile& tile) { return read_hashes(records, tile); };
}

LogKeeper::LogKeeper(Core& core, net::Executor executor) : core_(core), executor_(executor), progress_(executor) {}

void LogKeeper::changed() {
  again_ = true;
  if (std::exchange(running_, true)) return;
  net::spawn(executor_, rounds(alive_), "authority.log");
}

net::Task<void> LogKeeper::rounds(Alive alive) {
  if (!*alive) co_return;  // gone before it began
  while (std::exchange(again_, false)) {
    auto done = co_await one_round(alive);
    if (!*alive) co_return;
    if (!done && (!fault_ || fault_->detail != done.error().detail))
      log::error("log.not-signed", {{"error", done.error()}});
    const bool was_set_back = !done && done.error().code == Errc::conflict;
    fault_ = done ? std::nullopt : std::optional(std::move(done).error());
    if (was_set_back && !std::exchange(alarmed_, true)) {
      net::spawn(executor_, raise_alarm(alive, fault_->detail), "authority.log-alarm");
    }
    if (!fault_) alarmed_ = false;
    ++rounds_done_;
    progress_.set();
    progress_.clear();
    // Whoever waits has the next round at once; all that came during this one share it.
    if (waiting_ > 0) continue;
    if (fault_ && fault_->code != Errc::conflict) {
      static_cast<void>(co_await progress_.wait(kRetryInterval));
      if (!*alive) co_return;
      again_ = true;
    } else if (again_) {
      static_cast<void>(co_await progress_.wait(kCheckpointInterval));
      if (!*alive) co_return;
    }
  }
  running_ = false;
}

net::Task<void> LogKeeper::raise_alarm(Alive alive, std::string detail) {
  if (!*alive) co_return;
  const UnixTime now = core_.clock().now();
  const auto keep = [detail, now](records::Records& records) {
    return append_audit(records, now, "role:authority", kLogAlarmAction, "log",
                        {{"kind", kLogAlarmKind}, {"detail", detail}});
  };
  auto kept = co_await core_.store(keep);
  if (!*alive) co_return;
  if (!kept) log::error("log.alarm-lost", {{"error", kept.error()}});
  core_.announce_alarm(kLogAlarmKind, {}, "log", detail);
}

Result<void> LogKeeper::load() {
  if (loaded_) return {};
  TRY_VOID(core_.read([this](records::Records& records) -> Result<void> {
    TRY(const auto stored, records.find_value(kCheckpointValue));
    if (!stored) return {};
    std::string note(as_text(*stored));
    TRY(const auto parsed, tlog::parse_note(note));
    TRY(const auto checkpoint, tlog::parse_checkpoint(parsed.text));
    head_ = SignedHead{std::move(note), checkpoint.size};
    return {};
  }));
  loaded_ = true;
  return {};
}

net::Task<Result<void>> LogKeeper::hash_entries(Alive alive) {
  const UnixTime now = core_.clock().now();
  while (!complete_) {
    bool complete = false;
    const auto take_in = [&complete, now](records::Records& records) -> Result<void> {
      TRY(complete, log_what_was_before(records, now, kBackfillPage));
      return {};
    };
    CO_TRY_VOID(co_await core_.store_repeatable(take_in));
    if (!*alive) co_return closed();
    complete_ = complete;
  }
  for (bool complete = false; !complete;) {
    const auto hash = [&complete](records::Records& records) -> Result<void> {
      TRY(complete, hash_page(records));
      return {};
    };
    CO_TRY_VOID(co_await core_.store_repeatable(hash));
    if (!*alive) co_return closed();
  }
  co_return Result<void>{};
}

Result<pki::SignCheckpoint> LogKeeper::draft(std::uint64_t size, std::uint64_t continues) const {
  pki::SignCheckpoint order{.size = size, .root = {}, .continues = continues, .proof = {}};
  TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    tlog::TiledTree tree(size, tile_reader(records));
    TRY(order.root, tree.root());
    // What the signer has seen and we have not is for it to refuse.
    if (continues > size) return {};
    TRY(order.proof, tree.consistency_from(continues));
    return {};
  }));
  return order;
}

net::Task<Result<SignedHead>> LogKeeper::sign(Alive alive, std::uint64_t size) {
  CO_TRY(pki::SigningRequest order, draft(size, head_ ? head_->size : 0));
  CO_TRY(auto answer, co_await core_.sign(std::move(order)));
  if (!*alive) co_return closed();
  // A crash between the signer's note and ours, or a database that was set back.
  if (const auto* position = std::get_if<pki::LogPosition>(&answer)) {
    CO_TRY(order, draft(size, position->size));
    CO_TRY(answer, co_await core_.sign(std::move(order)));
    if (!*alive) co_return closed();
  }
  auto* checkpoint = std::get_if<pki::SignedCheckpoint>(&answer);
  if (checkpoint == nullptr) co_return fail(Errc::internal, "signer: another kind of answer, want a checkpoint");
  SignedHead head{std::move(checkpoint->note), size};
  const auto keep = [note = head.note](records::Records& records) {
    return records.put_value(kCheckpointValue, as_bytes(note));
  };
  CO_TRY_VOID(co_await core_.store_repeatable(keep));
  co_return head;
}

net::Task<Result<void>> LogKeeper::one_round(Alive alive) {
  CO_TRY_VOID(load());
  CO_TRY_VOID(co_await hash_entries(alive));
  std::uint64_t size = 0;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(size, records.log().hashed());
    return {};
  }));
  if (head_ && head_->size == size && !fault_) co_return Result<void>{};
  CO_TRY(auto head, co_await sign(alive, size));
  if (!*alive) co_return closed();
  head_ = std::move(head);
  co_return Result<void>{};
}

net::Task<Result<SignedHead>> LogKeeper::until_signed(net::Deadline deadline) {
  std::uint64_t wanted = 0;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(wanted, records.log().size());
    return {};
  }));
  ++waiting_;
  const std::uint64_t begun = rounds_done_;
  changed();
  progress_.set();  // ends the pause between two rounds
  progress_.clear();
  while (!head_ || head_->size < wanted || fault_) {
    // A round that began before this call may have failed over something older; two say that it is so.
    if (fault_ && rounds_done_ >= begun + 2) break;
    if (deadline.passed()) break;
    if (fault_) changed();
    static_cast<void>(co_await progress_.wait(deadline));
  }
  --waiting_;
  if (fault_) co_return std::unexpected(*fault_);
  if (!head_ || head_->size < wanted) co_return fail(Errc::expired, "log: no checkpoint in time");
  co_return *head_;
}

net::Task<Result<CertificateProof>> LogKeeper::prove(Bytes certificate, net::Deadline deadline) {
  CO_TRY(const auto head, co_await until_signed(deadline));
  CertificateProof out;
  CO_TRY(const auto key, key_certificate());
  out.key_certificate = to_bytes(key.der());
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(const auto index, records.log().find_certificate(crypto::sha256(certificate)));
    if (!index || *index >= head.size) return fail(Errc::not_found, "log: this certificate is not in it");
    TRY(const auto entries, records.log().entries(*index, 1));
    if (entries.empty()) return fail(Errc::internal, "log: an entry is gone");
    TRY(const auto entry, tlog::parse_log_entry(entries.front()));
    tlog::TiledTree tree(head.size, tile_reader(records));
    TRY(auto hashes, tree.inclusion(*index));
    out.index = *index;
    out.size = head.size;
    out.proof = tlog::encode_log_proof({tlog::encode_entry_head(entry), *index, std::move(hashes), head.note});
    return {};
  }));
  co_return out;
}

Result<Bytes> LogKeeper::read_tile(const tlog::Tile& tile) const {
  Bytes out;
  TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(out, tile.level ? read_hashes(records, tile) : read_bundle(records, tile));
    return {};
  }));
  return out;
}

Result<pki::Certificate> LogKeeper::key_certificate() const {
  std::vector<records::CertificateRecord> all;
  TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(all, records.certificates().list_by_subject(records::CertificateKind::control,
                                                    pki::to_string(pki::ControlKind::checkpoint)));
    return {};
  }));
  for (const records::CertificateRecord& record : all) {
    if (record.state == records::CertificateState::issued) return pki::parse_certificate(record.der);
  }
  return fail(Errc::not_found, "log: its key has no certificate yet");
}

}  // namespace sallyport::authority
