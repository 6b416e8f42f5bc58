// What is wrong with a command line, for people.
#pragma once

#include <string>

#include <CLI/App.hpp>

namespace sallyport::cli {

// "device: found 'lst', want one of find, list, show" where a word is no command; otherwise what CLI11 says.
inline std::string usage_text(const CLI::App& top, const CLI::ParseError& fault) {
  const CLI::App* at = &top;
  std::string words;
  for (auto parsed = at->get_subcommands(); !parsed.empty(); parsed = at->get_subcommands()) {
    at = parsed.back();
    words += (words.empty() ? "" : " ") + at->get_name();
  }
  const auto known = at->get_subcommands([](const CLI::App*) { return true; });
  if (known.empty()) return fault.what();
  std::string want;
  for (const CLI::App* each : known) want += (want.empty() ? "" : ", ") + each->get_name();
  const auto rest = at->remaining();
  if (!rest.empty() && rest.front().starts_with('-')) return fault.what();
  const std::string found = rest.empty() ? "no command" : "'" + rest.front() + "'";
  return (words.empty() ? "" : words + ": ") + "found " + found + ", want one of " + want;
}

}  // namespace sallyport::cli
