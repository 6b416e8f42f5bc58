#include "command.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <memory>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/log.h"
#include "usage_text.h"

namespace sallyport::cli {
namespace {

ExitStatus status_of(Errc code) {
  switch (code) {
    case Errc::unauthorized:
    case Errc::expired:
      return ExitStatus::refused;
    case Errc::unavailable:
      return ExitStatus::unreachable;
    default:
      return ExitStatus::failed;
  }
}

// A command with the places that CLI11 parses into.
struct Bound {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
  std::map<std::string_view, std::string> values;
  std::map<std::string_view, std::vector<std::string>> lists;
  std::map<std::string_view, bool> flags;
  std::optional<std::string_view> rest;
};

void bind_option(Bound& bound, const Option& option) {
  const std::string help(option.help);
  if (option.rest) {
    bound.rest = option.name;
    bound.app->prefix_command();
    return;
  }
  if (option.value.empty()) {
    bound.app->add_flag("--" + std::string(option.name), bound.flags[option.name], help);
    return;
  }
  const std::string written = option.is_positional() ? std::string(option.name) : "--" + std::string(option.name);
  if (option.several) {
    auto* made = bound.app->add_option(written, bound.lists[option.name], help);
    // An option takes one value each time, so that it does not swallow what stands after it.
    if (!option.is_positional()) made->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    made->type_name(option.is_positional() ? "" : std::string(option.value));
    if (option.required) made->required();
    return;
  }
  auto& place = bound.values[option.name];
  place = option.fallback;
  auto* made = bound.app->add_option(written, place, help);
  made->type_name(option.is_positional() ? "" : std::string(option.value));
  if (option.required) made->required();
  if (!option.fallback.empty()) made->default_str(std::string(option.fallback));
}

// Returns the application that a command's words lead to, making the groups on the way.
CLI::App& descend(CLI::App& top, std::string_view words, const std::vector<Group>& groups, std::string_view summary) {
  CLI::App* at = &top;
  while (!words.empty()) {
    const std::string word(words.substr(0, words.find(' ')));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    const auto same_word = at->get_subcommands([&](const CLI::App* each) { return each->get_name() == word; });
    CLI::App* next = same_word.empty() ? nullptr : same_word.front();
    if (next == nullptr) {
      const auto group = std::ranges::find(groups, word, &Group::word);
      next = at->add_subcommand(word, std::string(words.empty() || group == groups.end() ? summary : group->summary));
      if (!words.empty()) next->require_subcommand(1);
    }
    at = next;
  }
  return *at;
}

Arguments arguments_of(const Bound& bound) {
  Arguments arguments;
  for (const auto& [name, value] : bound.values) {
    if (!value.empty()) arguments.set(name, value);
  }
  for (const auto& [name, values] : bound.lists) arguments.set_list(name, values);
  if (bound.rest) arguments.set_list(*bound.rest, bound.app->remaining());
  for (const auto& [name, is_raised] : bound.flags) {
    if (is_raised) arguments.raise(name);
  }
  return arguments;
}

// Roles tell their life in the log; a command of a person speaks for itself.
log::Level least_logged(std::string_view words) {
  return words == "up" || words.starts_with("serve ") ? log::Level::info : log::Level::warn;
}

int run_command(const Bound& bound, Environment& environment) {
  log::start("sallyport", least_logged(bound.command->words));
  const auto outcome = bound.command->run(arguments_of(bound), environment);
  if (std::fflush(stdout) != 0) {
    std::fputs("sallyport: output: cannot be written\n", stderr);
    return static_cast<int>(ExitStatus::failed);
  }
  if (outcome) return static_cast<int>(ExitStatus::ok);
  fmt::print(stderr, "sallyport: {}\n", outcome.error().error.detail);
  return static_cast<int>(outcome.error().status);
}

}  // namespace

Failure::Failure(Error cause) : error(std::move(cause)), status(status_of(error.code)) {}

std::string Arguments::text(std::string_view name) const {
  const auto found = values_.find(name);
  SALLYPORT_CHECK(found != values_.end());
  return found->second;
}

std::optional<std::string> Arguments::find(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> Arguments::list(std::string_view name) const {
  const auto found = lists_.find(name);
  SALLYPORT_CHECK(found != lists_.end());
  return found->second;
}

Result<std::uint64_t> Arguments::number(std::string_view name, std::uint64_t least, std::uint64_t most) const {
  const std::string value = text(name);
  std::uint64_t number = 0;
  const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (fault != std::errc() || end != value.data() + value.size() || number < least || number > most) {
    return failf(Errc::malformed, "--{}: want a number from {} to {}", name, least, most);
  }
  return number;
}

Result<std::optional<std::uint64_t>> Arguments::find_number(std::string_view name, std::uint64_t least,
                                                            std::uint64_t most) const {
  if (!values_.contains(name)) return std::nullopt;
  TRY(const auto found, number(name, least, most));
  return found;
}

int run_program(int argc, char** argv, const std::vector<Group>& groups, const std::vector<Command>& commands,
                Environment& environment) {
  CLI::App top("Sallyport: private PKI, remote access and telemetry for fleets of devices", "sallyport");
  top.set_version_flag("--version", "sallyport " SALLYPORT_VERSION);
  top.require_subcommand(1);
  std::vector<std::unique_ptr<Bound>> all;
  for (const auto& command : commands) {
    auto& app = descend(top, command.words, groups, command.summary);
    app.footer("Example:\n  " + std::string(command.example));
    auto& bound = *all.emplace_back(std::make_unique<Bound>());
    bound.command = &command;
    bound.app = &app;
    for (const auto& option : command.options) bind_option(bound, option);
  }
  try {
    top.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return top.exit(done);
  } catch (const CLI::ParseError& fault) {
    fmt::print(stderr, "sallyport: usage: {}\n", usage_text(top, fault));
    return static_cast<int>(ExitStatus::usage);
  }
  const auto chosen = std::ranges::find_if(all, [](const auto& bound) { return bound->app->parsed(); });
  SALLYPORT_CHECK(chosen != all.end());
  return run_command(**chosen, environment);
}

Option state_option() {
  return {.name = "state", .value = "DIR", .help = "the installation's state folder", .fallback = kDefaultState};
}

Option json_option() {
  return {.name = "json", .value = "", .help = "print JSON for programs"};
}

}  // namespace sallyport::cli
