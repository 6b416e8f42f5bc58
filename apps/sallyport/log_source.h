// Where the log commands read a log from: an export, a plain folder that anybody may have made, or the installation.
//
//   checkpoint  tile/…      as C2SP tlog-tiles serves them
//   key.pem                 the certificate of the checkpoint key, control-ca's, and the links between roots
//   root.pem                the roots of the installation, newest first
//   key.vkey                the key once more, as Go's sumdb/note writes it
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "codec/json.h"
#include "command.h"
#include "pki/certificate.h"
#include "tlog/check.h"

namespace sallyport::cli {

// A log that can be opened: its files, and the certificates of its key.
class LogReader : public tlog::LogSource {
 public:
  virtual Result<std::vector<pki::Certificate>> key_chain() = 0;
  virtual Result<std::vector<pki::Certificate>> roots() = 0;
  // What the installation says is wrong with its own log; empty for an export.
  virtual std::string fault() const { return {}; }
};

class FolderLog final : public LogReader {
 public:
  explicit FolderLog(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Result<std::string> checkpoint() override;
  Result<Bytes> read(const tlog::Tile& tile) override;
  Result<std::vector<pki::Certificate>> key_chain() override;
  Result<std::vector<pki::Certificate>> roots() override;

 private:
  std::filesystem::path folder_;
};

// Asks the authority, one file at a time; the checkpoint is asked for once.
class ServiceLog final : public LogReader {
 public:
  ServiceLog(std::filesystem::path state, Environment& environment)
      : state_(std::move(state)), environment_(environment) {}
  Result<std::string> checkpoint() override;
  Result<Bytes> read(const tlog::Tile& tile) override;
  Result<std::vector<pki::Certificate>> key_chain() override;
  Result<std::vector<pki::Certificate>> roots() override;
  std::string fault() const override { return fault_; }

 private:
  Result<std::string> fact(std::string_view name);

  std::filesystem::path state_;
  Environment& environment_;
  codec::Json facts_;
  std::string fault_;
};

// The log that --export or --state names.
std::unique_ptr<LogReader> open_log(const Arguments& arguments, Environment& environment);

// The key of a log, proven: its certificate leads to a root in `trusted_roots` (or, when that is empty, to one of the
// log's own), over links where the installation has a newer one, and may sign checkpoints. The key's name is the origin
// of the checkpoint.
struct LogKey {
  tlog::NoteKey key;
  std::vector<pki::Certificate> roots;  // that are trusted: what was given, or the log's own
};
Result<LogKey> prove_key(LogReader& log, const std::optional<std::filesystem::path>& trusted_roots, const Clock& clock);

}  // namespace sallyport::cli
