// People at a terminal: passphrases without echo, questions, progress.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/secret.h"
#include "base/time.h"

namespace sallyport::cli {

inline constexpr std::size_t kMaxPassphrase = 1'024;

// Reads a passphrase from `file` (of mode 0600; one newline at the end is not part of it), which `option` names, or,
// without one, from the terminal with echo off. `repeat` asks twice and compares. Errc::unauthorized without a file and
// without a terminal, and when the two differ.
Result<SecretBytes> read_passphrase(const std::optional<std::filesystem::path>& file, std::string_view option,
                                    std::string_view prompt, bool repeat = false);

// Asks a question that is answered with "yes". Errc::unauthorized on any other answer and without a terminal.
Result<void> confirm(std::string_view question);

// A bar on standard error, with what is done in a second and what is left of the time, while that is a terminal;
// nothing otherwise. Borrows label and clock.
class Progress {
 public:
  Progress(std::string_view label, std::size_t total, const Clock& clock);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance();
  // A line for people on standard error, above the bar where there is one.
  void say(std::string_view line);

 private:
  void draw();
  void clear();
  std::string_view label_;
  std::size_t total_;
  const Clock& clock_;
  Instant begun_;
  Instant drawn_{};
  std::size_t done_ = 0;
  bool is_shown_;
};

}  // namespace sallyport::cli
