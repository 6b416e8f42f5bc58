#include "tlog/check.h"

#include <algorithm>
#include <tuple>

namespace sallyport::tlog {
namespace {

// A tile or bundle as it was found.
struct Found {
  Bytes bytes;
  unsigned width = 0;
};

// An index in the form that an aligner compares.
Hash number_of(std::uint64_t index) {
  Hash out{};
  Writer writer;
  writer.u64(index);
  std::ranges::copy(writer.view(), out.begin());
  return out;
}

class LogCheck {
 public:
  LogCheck(LogSource& source, const OnEntry& on_entry) : source_(source), on_entry_(on_entry) {}

  void run(const Checkpoint& checkpoint) {
    size_ = checkpoint.size;
    auto appender = TileAppender::begin(0, {});
    appender_ = *std::move(appender);
    for (std::uint64_t index = 0; const auto tile = tile_in(std::nullopt, index, size_); ++index) {
      take_hashes(index, tile->width);
      take_bundle(*tile);
      check_upper_tiles();
    }
    check_upper_tiles();
    aligner_.finish();
    for (std::uint64_t index = position_; index < size_ && index - position_ < kMaxFindings; ++index) {
      numbers_.expect(number_of(index));
    }
    numbers_.finish();
    judge_roots(checkpoint);
  }

  std::uint64_t entries() const { return position_; }
  std::vector<LogFinding> take_findings() {
    std::vector<LogFinding> out = std::move(findings_);
    if (!tiles_are_wrong_) out.insert(out.end(), aligner_.findings().begin(), aligner_.findings().end());
    out.insert(out.end(), numbers_.findings().begin(), numbers_.findings().end());
    std::ranges::sort(out, {}, [](const LogFinding& each) { return std::tie(each.index, each.fault, each.detail); });
    const auto same = [](const LogFinding& a, const LogFinding& b) { return a.index == b.index && a.fault == b.fault; };
    out.erase(std::ranges::unique(out, same).begin(), out.end());
    return out;
  }

 private:
  void add(std::optional<std::uint64_t> index, LogFault fault, std::string detail) {
    if (findings_.size() < kMaxFindings) findings_.push_back({index, fault, std::move(detail)});
  }

  // Reads `tile`, or what there is of it in another width.
  std::optional<Found> read(const Tile& tile) {
    auto bytes = source_.read(tile);
    if (bytes) return Found{*std::move(bytes), tile.width};
    add(std::nullopt, LogFault::bad_tile, fmt::format("{}: {}", tile_path(tile), bytes.error().detail));
    for (unsigned width = kTileWidth; width > 0; --width) {
      if (width == tile.width) continue;
      auto other = source_.read({tile.level, tile.index, width});
      if (other) return Found{*std::move(other), width};
    }
    return std::nullopt;
  }

  void take_hashes(std::uint64_t index, unsigned width) {
    const auto found = read({0U, index, width});
    if (!found) return;
    if (found->bytes.size() != found->width * kHashSize) {
      add(std::nullopt, LogFault::bad_tile,
          fmt::format("{}: found {} bytes, want {}", tile_path({0U, index, found->width}), found->bytes.size(),
                      found->width * kHashSize));
    }
    for (std::size_t i = 0; i < found->bytes.size() / kHashSize; ++i) {
      const Hash hash = hash_in(found->bytes, i);
      aligner_.expect(hash);
      tile_tree_.append(hash);
      appender_->append(hash);
    }
  }

  void take_bundle(const Tile& tile) {
    const auto found = read(tile);
    if (!found) return;
    Reader reader(found->bytes);
    while (reader.remaining() > 0) {
      const auto entry = reader.bytes_u16();
      if (!entry) {
        add(position_, LogFault::malformed, fmt::format("{}: ends inside of this entry", tile_path(tile)));
        break;
      }
      take_entry(*entry);
    }
  }

  void take_entry(ByteView bytes) {
    const std::uint64_t position = position_++;
    const Hash leaf = leaf_hash(bytes);
    aligner_.find(leaf);
    entry_tree_.append(leaf);
    numbers_.expect(number_of(position));
    const auto entry = parse_log_entry(bytes);
    numbers_.find(entry ? number_of(entry->index) : leaf);
    if (!entry) return add(position, LogFault::malformed, entry.error().detail);
    if (const auto* event = std::get_if<AuditEntry>(&entry->what)) {
      if (event->sequence != audit_sequence_ + 1) {
        add(position, LogFault::audit_gap,
            fmt::format("found audit event {}, want {}", event->sequence, audit_sequence_ + 1));
      }
      audit_sequence_ = event->sequence;
    }
    if (on_entry_) on_entry_(*entry, leaf);
  }

  void check_upper_tiles() {
    for (const auto& [tile, bytes] : appender_->take()) {
      if (*tile.level == 0) continue;
      // A partial tile is judged once, when it is as the checkpoint's tree has it.
      if (tile_in(tile.level, tile.index, size_) != tile) continue;
      const auto found = source_.read(tile);
      if (!found) {
        add(std::nullopt, LogFault::bad_tile, fmt::format("{}: {}", tile_path(tile), found.error().detail));
      } else if (*found != bytes) {
        const auto [ours, theirs] = std::ranges::mismatch(bytes, *found);
        add(std::nullopt, LogFault::bad_tile,
            fmt::format("{}: hash {} does not follow from the tile below", tile_path(tile),
                        (ours - bytes.begin()) / static_cast<std::ptrdiff_t>(kHashSize)));
      }
    }
  }

  void judge_roots(const Checkpoint& checkpoint) {
    const bool tiles_hold = tile_tree_.size() == size_ && tile_tree_.root() == checkpoint.root;
    const bool entries_hold = entry_tree_.size() == size_ && entry_tree_.root() == checkpoint.root;
    if (!tiles_hold && entries_hold) {
      tiles_are_wrong_ = true;
      for (const LogFinding& finding : aligner_.findings()) {
        add(finding.index, LogFault::bad_tile, "found another hash of it in its tile, the entry itself holds");
      }
      if (tile_tree_.size() != size_ || aligner_.findings().empty()) {
        add(std::nullopt, LogFault::bad_tile,
            fmt::format("found {} hashes at level 0, want {}", tile_tree_.size(), size_));
      }
      return;
    }
    if (tiles_hold) return;
    add(std::nullopt, LogFault::wrong_root,
        fmt::format("found neither entries ({}) nor tiles ({}) that lead to the root of the checkpoint ({})",
                    entry_tree_.size(), tile_tree_.size(), size_));
  }

  LogSource& source_;
  const OnEntry& on_entry_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t audit_sequence_ = 0;
  bool tiles_are_wrong_ = false;
  Aligner aligner_;
  Aligner numbers_;  // what the entries say of their own place
  GrowingTree tile_tree_, entry_tree_;
  std::optional<TileAppender> appender_;
  std::vector<LogFinding> findings_;
};

}  // namespace

LogReport check_log(LogSource& source, const NoteKey& key, const OnEntry& on_entry) {
  LogReport report;
  auto note = source.checkpoint();
  auto checkpoint = note ? open_checkpoint(*note, key) : Result<Checkpoint>(std::unexpected(note.error()));
  if (!checkpoint) {
    report.findings.push_back({std::nullopt, LogFault::bad_checkpoint, checkpoint.error().detail});
    return report;
  }
  report.checkpoint = *checkpoint;
  LogCheck check(source, on_entry);
  check.run(*checkpoint);
  report.entries = check.entries();
  report.findings = check.take_findings();
  return report;
}

}  // namespace sallyport::tlog
