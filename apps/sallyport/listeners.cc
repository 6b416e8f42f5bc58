#include "listeners.h"

#include <charconv>
#include <cstdlib>

#include "folders.h"

namespace sallyport::cli {
namespace {

constexpr int kFirstInherited = 3;

// Parses "name=fd" and returns the descriptor when the name is the one wanted.
Result<std::optional<int>> match_entry(std::string_view entry, std::string_view name) {
  const auto equals = entry.find('=');
  int number = -1;
  if (equals != std::string_view::npos) {
    const std::string_view digits = entry.substr(equals + 1);
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (fault != std::errc() || end != digits.data() + digits.size()) number = -1;
  }
  if (number < kFirstInherited) return fail(Errc::malformed, "SALLYPORT_LISTEN: want name=fd,name=fd…");
  if (entry.substr(0, equals) != name) return std::nullopt;
  return number;
}

}  // namespace

Result<std::optional<net::Descriptor>> take_inherited(std::string_view name) {
  const char* variable = std::getenv("SALLYPORT_LISTEN");  // NOLINT(concurrency-mt-unsafe): before any thread
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    TRY(const auto found, match_entry(entry, name));
    if (found) return net::Descriptor(*found);
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
  }
  return std::nullopt;
}

Result<std::unique_ptr<net::Listener>> open_listener(net::Executor executor, std::string_view name,
                                                     const std::filesystem::path& path) {
  TRY(auto inherited, take_inherited(name));
  if (inherited) return net::Listener::inherited(std::move(executor), *std::move(inherited));
  TRY_VOID(make_folder(path.parent_path()));
  return net::Listener::unix_socket(std::move(executor), path.string());
}

}  // namespace sallyport::cli
