// Configuration in TOML, read once into typed structs. Every key that is read is marked; finish() refuses the rest. All
// errors read FILE:LINE: sentence.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sallyport::config {

inline constexpr std::size_t kMaxDocumentBytes = 1U << 20U;

// Closed ranges of what is accepted.
template <class T>
struct Range {
  T least;
  T most;
};

// One table of a document. A cheap value that shares the document's ownership. Reading marks the key. Functions without
// a fallback fail with Errc::not_found when the key is absent, with Errc::malformed where one that nobody has asked for
// looks like it; all fail with Errc::malformed on another type or a value outside its range.
class Table {
 public:
  bool has(std::string_view key) const;

  Result<std::string> text(std::string_view key) const;
  Result<std::string> text(std::string_view key, std::string_view fallback) const;
  Result<std::optional<std::string>> find_text(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  Result<std::int64_t> integer(std::string_view key, Range<std::int64_t> range) const;
  Result<std::int64_t> integer(std::string_view key, Range<std::int64_t> range, std::int64_t fallback) const;
  // "250ms", "10s", "5m", "2h", "30d".
  Result<milliseconds> duration(std::string_view key, Range<milliseconds> range) const;
  Result<milliseconds> duration(std::string_view key, Range<milliseconds> range, milliseconds fallback) const;
  // "512B", "64kB" (1,000), "64KiB" (1,024), and so on with M and G.
  Result<std::uint64_t> size(std::string_view key, Range<std::uint64_t> range) const;
  Result<std::uint64_t> size(std::string_view key, Range<std::uint64_t> range, std::uint64_t fallback) const;
  // An array of texts; absent: empty.
  Result<std::vector<std::string>> texts(std::string_view key) const;

  // [key]
  Result<Table> table(std::string_view key) const;
  Result<std::optional<Table>> find_table(std::string_view key) const;
  // [[key]], in the order written; absent: none.
  Result<std::vector<Table>> tables(std::string_view key) const;
  // [key.NAME] for any NAME, by name; absent: none.
  Result<std::vector<std::pair<std::string, Table>>> named_tables(std::string_view key) const;

  // An error about `key`, for rules that are the reader's own: "FILE:LINE: key 'KEY' in [TABLE]: WHAT". The location is
  // the table's when the key is absent.
  std::unexpected<Error> refuse(std::string_view key, std::string_view what) const;

 private:
  friend class Document;
  struct Node;
  explicit Table(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const Node> node_;
};

class Document {
 public:
  // Parses TOML 1.0. `display_name` is what errors call it. Fails with Errc::malformed, "FILE:LINE:COLUMN: …".
  static Result<Document> parse(std::string_view text, std::string_view display_name);
  // Reads and parses a file of at most kMaxDocumentBytes. Errc::not_found, Errc::unavailable.
  static Result<Document> load(const std::filesystem::path& path);

  const Table& root() const { return root_; }
  // Fails with Errc::malformed on the first key that nobody has asked for, with the likeliest of those that were asked
  // for in the same table: "FILE:LINE: unknown key 'hello_timout' (did you mean 'hello_timeout'?)".
  Result<void> finish() const;

 private:
  explicit Document(Table root) : root_(std::move(root)) {}
  Table root_;
};

// The forms of Table::duration and Table::size, for command lines. Fail with Errc::malformed.
Result<milliseconds> parse_duration(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace sallyport::config
