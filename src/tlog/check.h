// Checks a whole log by itself: every entry, every tile, the root, the checkpoint.
#pragma once

#include "tlog/aligner.h"
#include "tlog/checkpoint.h"
#include "tlog/entry.h"
#include "tlog/tile.h"

namespace sallyport::tlog {

// Where a log is read from: a folder, a service. Errc::not_found for what is not there.
class LogSource {
 public:
  virtual ~LogSource() = default;
  virtual Result<std::string> checkpoint() = 0;
  virtual Result<Bytes> read(const Tile& tile) = 0;
};

// Told of every entry that can be read, with the place where it was found, in order.
using OnEntry = std::function<void(const LogEntry& entry, const Hash& leaf)>;

struct LogReport {
  std::optional<Checkpoint> checkpoint;  // absent when it is not the log's
  std::uint64_t entries = 0;             // that were read
  std::vector<LogFinding> findings;      // the log as a whole first, then in order of index
};

// Reads everything once, in memory of a few tiles and kMaxFindings. A bundle or tile of another width than the
// checkpoint's size asks for is read as well, so that what is missing from it can be named. What cannot be read is a
// finding.
LogReport check_log(LogSource& source, const NoteKey& key, const OnEntry& on_entry = {});

}  // namespace sallyport::tlog
