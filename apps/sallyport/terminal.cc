#include "terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "keystore/file.h"
#include "net/descriptor.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kBarWidth = 40;
constexpr milliseconds kRedraw{100};

// The controlling terminal with echo off for as long as this lives.
class QuietTerminal {
 public:
  explicit QuietTerminal(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_quiet_ = ::tcsetattr(terminal_, TCSAFLUSH, &quiet) == 0;
  }
  ~QuietTerminal() {
    if (is_quiet_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  bool is_quiet() const { return is_quiet_; }

 private:
  int terminal_;
  termios before_{};
  bool is_quiet_ = false;
};

net::Descriptor open_terminal() {
  return net::Descriptor(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
}

void write_text(int terminal, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(terminal, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

Result<SecretBytes> read_line(int terminal) {
  Bytes line;
  line.reserve(kMaxPassphrase);
  while (line.size() < kMaxPassphrase) {
    std::uint8_t octet = 0;
    const ssize_t got = ::read(terminal, &octet, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || octet == '\n') return SecretBytes(std::move(line));
    line.push_back(octet);
  }
  wipe(line);
  return failf(Errc::overloaded, "terminal: found a line longer than {} characters", kMaxPassphrase);
}

Result<SecretBytes> ask_quietly(int terminal, std::string_view prompt) {
  const QuietTerminal quiet(terminal);
  if (!quiet.is_quiet()) return fail(Errc::unavailable, "terminal: echo cannot be switched off");
  write_text(terminal, fmt::format("{}: ", prompt));
  auto line = read_line(terminal);
  write_text(terminal, "\n");
  return line;
}

Result<SecretBytes> read_passphrase_file(const std::filesystem::path& file) {
  TRY(auto content, keystore::read_secret_file(file, kMaxPassphrase));
  const ByteView bytes = content.expose();
  if (bytes.empty() || bytes.back() != '\n') return content;
  return SecretBytes(to_bytes(bytes.first(bytes.size() - 1)));
}

}  // namespace

Result<SecretBytes> read_passphrase(const std::optional<std::filesystem::path>& file, std::string_view option,
                                    std::string_view prompt, bool repeat) {
  if (file) return read_passphrase_file(*file);
  const auto terminal = open_terminal();
  if (!terminal.is_open()) {
    return failf(Errc::unauthorized, "{}: found no terminal to ask at, want {}", prompt, option);
  }
  TRY(auto passphrase, ask_quietly(terminal.get(), prompt));
  if (repeat) {
    TRY(const auto again, ask_quietly(terminal.get(), fmt::format("{} again", prompt)));
    if (!equal_constant_time(passphrase.expose(), again.expose()))
      return failf(Errc::unauthorized, "{}: the two differ", prompt);
  }
  return passphrase;
}

Result<void> confirm(std::string_view question) {
  const auto terminal = open_terminal();
  if (!terminal.is_open()) return fail(Errc::unauthorized, "found no terminal to ask at, want --yes");
  write_text(terminal.get(), fmt::format("{} Type yes to go on: ", question));
  TRY(const auto answer, read_line(terminal.get()));
  if (as_text(answer.expose()) == "yes") return {};
  return fail(Errc::unauthorized, "not confirmed: nothing was done");
}

Progress::Progress(std::string_view label, std::size_t total, const Clock& clock)
    : label_(label),
      total_(total),
      clock_(clock),
      begun_(clock.monotonic()),
      is_shown_(total > 0 && ::isatty(STDERR_FILENO) == 1) {
  draw();
}

Progress::~Progress() {
  if (!is_shown_) return;
  draw();
  std::fputs("\n", stderr);
}

void Progress::advance() {
  ++done_;
  if (is_shown_ && clock_.monotonic() - drawn_ >= kRedraw) draw();
}

void Progress::say(std::string_view line) {
  clear();
  fmt::print(stderr, "{}\n", line);
  draw();
}

void Progress::clear() {
  if (is_shown_) std::fputs("\r\033[K", stderr);
}

void Progress::draw() {
  if (!is_shown_) return;
  drawn_ = clock_.monotonic();
  const std::size_t filled = done_ * kBarWidth / total_;
  const double spent = std::chrono::duration<double>(drawn_ - begun_).count();
  std::string pace;
  if (done_ > 0 && spent > 0) {
    const double rate = static_cast<double>(done_) / spent;
    pace = fmt::format("  {:.0f}/s, {:.0f} s left", rate, static_cast<double>(total_ - done_) / rate);
  }
  clear();
  fmt::print(stderr, "{} [{}{}] {}/{}{}", label_, std::string(filled, '#'), std::string(kBarWidth - filled, '.'), done_,
             total_, pace);
}

}  // namespace sallyport::cli
