// A command as data: what the command line offers is a table of these, so that help, examples and parsing agree by
// construction. A command group is a file that returns its part of the table.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

namespace sallyport::cli {

// docs/operate/cli.md. DO NOT CHANGE: scripts read them.
enum class ExitStatus : std::uint8_t {
  ok = 0,
  failed = 1,
  usage = 2,
  state = 3,        // state folder missing, of a newer version, or locked
  refused = 4,      // permission, wrong passphrase, a certificate or signature that is not accepted
  unreachable = 5,  // a peer that does not answer, a port in use
};

// An error and the status to end with.
struct Failure {
  Error error;
  ExitStatus status;
  // The status that follows from the category alone.
  Failure(Error cause);  // NOLINT(google-explicit-constructor): an Error is a Failure, so that TRY works in commands
  Failure(Error cause, ExitStatus chosen) : error(std::move(cause)), status(chosen) {}
};

template <class T>
struct [[nodiscard]] Try : std::expected<T, Failure> {
  using std::expected<T, Failure>::expected;
};
using Outcome = Try<void>;

// Makes any error of `result` one of the state folder.
template <class T>
Try<T> in_state(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return *std::move(result);
    }
  }
  Failure failure(std::move(result).error());
  // A full disk is no fault of the folder.
  if (failure.error.code != Errc::unauthorized && failure.error.code != Errc::overloaded)
    failure.status = ExitStatus::state;
  return std::unexpected(std::move(failure));
}

// One option, or one positional argument, of a command.
struct Option {
  std::string_view name;   // "state": written --state; positional: "NAME" in capitals
  std::string_view value;  // what stands for the value in the help; empty: a flag
  std::string_view help;
  bool required = false;
  std::string_view fallback;  // used when the option is not given; empty: none
  bool several = false;       // may be given more than once: Arguments::list()
  bool rest = false;          // a last positional: takes whatever follows the others, as it is: Arguments::list()

  bool is_positional() const { return !name.empty() && name.front() >= 'A' && name.front() <= 'Z'; }
};

// What was given. Asking for an option that the command's table does not have is a broken invariant.
class Arguments {
 public:
  std::string text(std::string_view name) const;  // required, or with a fallback
  std::optional<std::string> find(std::string_view name) const;
  std::filesystem::path path(std::string_view name) const { return text(name); }
  // Everything that was given for an option that may come several times, in order.
  std::vector<std::string> list(std::string_view name) const;
  bool flag(std::string_view name) const { return flags_.contains(name); }
  // Errc::malformed unless it is a decimal number in the range.
  Result<std::uint64_t> number(std::string_view name, std::uint64_t least, std::uint64_t most) const;
  Result<std::optional<std::uint64_t>> find_number(std::string_view name, std::uint64_t least,
                                                   std::uint64_t most) const;

  void set(std::string_view name, std::string value) { values_.insert_or_assign(std::string(name), std::move(value)); }
  void set_list(std::string_view name, std::vector<std::string> values) {
    lists_.insert_or_assign(std::string(name), std::move(values));
  }
  void raise(std::string_view name) { flags_.emplace(name); }

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::map<std::string, std::vector<std::string>, std::less<>> lists_;
  std::set<std::string, std::less<>> flags_;
};

// What main hands down.
struct Environment {
  const Clock& clock;
  Random& random;
};

struct Command {
  std::string_view words;    // "root init"
  std::string_view summary;  // one line
  std::string_view example;  // a whole command line that works
  std::vector<Option> options;
  Outcome (*run)(const Arguments& arguments, Environment& environment);
};

// A word that has commands below it.
struct Group {
  std::string_view word;
  std::string_view summary;
};

// Parses the command line, runs what it names, prints its error and returns the exit status.
int run_program(int argc, char** argv, const std::vector<Group>& groups, const std::vector<Command>& commands,
                Environment& environment);

// Options that many commands share.
inline constexpr std::string_view kDefaultState = "/var/lib/sallyport";
Option state_option();
// What `--reason` of a revocation takes.
inline constexpr std::string_view kReasonWords =
    "unspecified, key-compromise, ca-compromise, affiliation-changed, superseded or cessation-of-operation";
Option json_option();

}  // namespace sallyport::cli

// TRY for a Try: binds the value, or returns the Failure from the enclosing command.
#define CLI_TRY(declaration, ...) CLI_TRY_NAMED_(SALLYPORT_CONCAT(try_outcome_, __COUNTER__), declaration, __VA_ARGS__)
#define CLI_TRY_NAMED_(name, declaration, ...)                  \
  auto name = (__VA_ARGS__);                                    \
  if (!name) return ::std::unexpected(std::move(name).error()); \
  declaration = *std::move(name)

// The same of an Outcome.
#define CLI_TRY_VOID(...)                                            \
  do {                                                               \
    if (auto try_void_outcome = (__VA_ARGS__); !try_void_outcome)    \
      return ::std::unexpected(std::move(try_void_outcome).error()); \
  } while (false)
