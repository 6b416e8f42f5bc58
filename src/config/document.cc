#include "config/document.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/log.h"
#include "config/detail/closest_name.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 assumes what the input must still be checked for ("[[[" as a table header): undefined behaviour in a
// release build. Without the assumption its own check behind it reports the error.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(expression) static_assert(true)
#include <toml++/toml.h>

namespace sallyport::config {
namespace {

// A parsed document and the keys that were asked for, table by table.
struct Source {
  std::string name;
  toml::table root;
  std::map<const toml::table*, std::set<std::string, std::less<>>> asked;
};

struct UnknownKey {
  std::uint32_t line;
  std::string key;
  const toml::table* table;
};

void find_unknown(const Source& source, const toml::table& table, std::vector<UnknownKey>& out) {
  const auto asked = source.asked.find(&table);
  for (const auto& [key, node] : table) {
    if (asked == source.asked.end() || !asked->second.contains(key.str())) {
      out.push_back({key.source().begin.line, std::string(key.str()), &table});
      continue;
    }
    if (const auto* child = node.as_table()) find_unknown(source, *child, out);
    if (const auto* array = node.as_array()) {
      for (const auto& element : *array)
        if (const auto* child = element.as_table()) find_unknown(source, *child, out);
    }
  }
}

std::string_view name_of(toml::node_type type) {
  switch (type) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

std::string duration_text(milliseconds value) {
  if (value % seconds(1) == milliseconds(0)) return fmt::format("{}s", value.count() / 1'000);
  return fmt::format("{}ms", value.count());
}

template <class T>
Result<T> or_fallback(bool present, T fallback, auto read) {
  if (!present) return fallback;
  return read();
}

}  // namespace

// What a Table stands for. Shares the document.
struct Table::Node {
  std::shared_ptr<Source> source;
  const toml::table* table;
  std::string path;  // "listener.tls", empty for the root

  const toml::node* find(std::string_view key) const {
    source->asked[table].emplace(key);
    return table->get(key);
  }
  std::unexpected<Error> error(Errc code, const toml::node* at, std::string_view what) const {
    const auto line = (at != nullptr ? at->source() : table->source()).begin.line;
    return failf(code, "{}:{}: {}", source->name, std::max<std::uint32_t>(line, 1), what);
  }
  std::string place() const { return path.empty() ? "" : fmt::format(" in [{}]", path); }
  std::unexpected<Error> bad_value(std::string_view key, const toml::node* at, std::string_view what) const {
    return error(Errc::malformed, at, fmt::format("key '{}'{}: {}", key, place(), what));
  }
  Result<const toml::node*> load(std::string_view key, toml::node_type type) const {
    const auto* node = find(key);
    if (node == nullptr) {
      if (const auto written = written_instead_of(key)) {
        return error(Errc::malformed, table->get(*written),
                     fmt::format("unknown key '{}' (did you mean '{}'?)", log::escape(*written), key));
      }
      const bool table_wanted = type == toml::node_type::table;
      return error(Errc::not_found, nullptr,
                   table_wanted ? fmt::format("missing table [{}]", child_path(key))
                                : fmt::format("missing key '{}'{}", key, place()));
    }
    if (node->type() != type)
      return bad_value(key, node, fmt::format("found {}, want {}", name_of(node->type()), name_of(type)));
    return node;
  }
  // The key that stands where `key` is missing: the likeliest of those that nobody has asked for.
  std::optional<std::string> written_instead_of(std::string_view key) const {
    std::set<std::string, std::less<>> left;
    for (const auto& [name, unused] : *table)
      if (!source->asked[table].contains(name.str())) left.emplace(name.str());
    return closest_name(key, left);
  }
  std::string child_path(std::string_view key) const {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }
  std::shared_ptr<const Node> child(const toml::table& of, std::string name) const {
    return std::make_shared<const Node>(source, &of, std::move(name));
  }
  Node(std::shared_ptr<Source> from, const toml::table* at, std::string name)
      : source(std::move(from)), table(at), path(std::move(name)) {}
};

bool Table::has(std::string_view key) const {
  return node_->find(key) != nullptr;
}

Result<std::string> Table::text(std::string_view key) const {
  TRY(const auto* node, node_->load(key, toml::node_type::string));
  return node->as_string()->get();
}

Result<std::string> Table::text(std::string_view key, std::string_view fallback) const {
  return or_fallback(has(key), std::string(fallback), [&] { return text(key); });
}

Result<std::optional<std::string>> Table::find_text(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  TRY(auto found, text(key));
  return std::optional(std::move(found));
}

Result<bool> Table::boolean(std::string_view key) const {
  TRY(const auto* node, node_->load(key, toml::node_type::boolean));
  return node->as_boolean()->get();
}

Result<bool> Table::boolean(std::string_view key, bool fallback) const {
  return or_fallback(has(key), fallback, [&] { return boolean(key); });
}

Result<std::int64_t> Table::integer(std::string_view key, Range<std::int64_t> range) const {
  TRY(const auto* node, node_->load(key, toml::node_type::integer));
  const std::int64_t value = node->as_integer()->get();
  if (value < range.least || value > range.most)
    return node_->bad_value(key, node, fmt::format("found {}, want {} to {}", value, range.least, range.most));
  return value;
}

Result<std::int64_t> Table::integer(std::string_view key, Range<std::int64_t> range, std::int64_t fallback) const {
  return or_fallback(has(key), fallback, [&] { return integer(key, range); });
}

Result<milliseconds> Table::duration(std::string_view key, Range<milliseconds> range) const {
  TRY(const auto* node, node_->load(key, toml::node_type::string));
  const std::string& written = node->as_string()->get();
  const auto value = parse_duration(written);
  if (!value)
    return node_->bad_value(key, node, fmt::format("found \"{}\", {}", log::escape(written), value.error().detail));
  if (*value < range.least || *value > range.most) {
    return node_->bad_value(
        key, node,
        fmt::format("found \"{}\", want {} to {}", written, duration_text(range.least), duration_text(range.most)));
  }
  return *value;
}

Result<milliseconds> Table::duration(std::string_view key, Range<milliseconds> range, milliseconds fallback) const {
  return or_fallback(has(key), fallback, [&] { return duration(key, range); });
}

Result<std::uint64_t> Table::size(std::string_view key, Range<std::uint64_t> range) const {
  TRY(const auto* node, node_->load(key, toml::node_type::string));
  const std::string& written = node->as_string()->get();
  const auto value = parse_size(written);
  if (!value)
    return node_->bad_value(key, node, fmt::format("found \"{}\", {}", log::escape(written), value.error().detail));
  if (*value < range.least || *value > range.most)
    return node_->bad_value(key, node, fmt::format("found \"{}\", want {}B to {}B", written, range.least, range.most));
  return *value;
}

Result<std::uint64_t> Table::size(std::string_view key, Range<std::uint64_t> range, std::uint64_t fallback) const {
  return or_fallback(has(key), fallback, [&] { return size(key, range); });
}

Result<std::vector<std::string>> Table::texts(std::string_view key) const {
  std::vector<std::string> out;
  if (!has(key)) return out;
  TRY(const auto* node, node_->load(key, toml::node_type::array));
  for (const auto& element : *node->as_array()) {
    const auto* text = element.as_string();
    if (text == nullptr) {
      const auto what = fmt::format("found {} in the array, want texts alone", name_of(element.type()));
      return node_->bad_value(key, &element, what);
    }
    out.push_back(text->get());
  }
  return out;
}

Result<Table> Table::table(std::string_view key) const {
  TRY(const auto* node, node_->load(key, toml::node_type::table));
  return Table(node_->child(*node->as_table(), node_->child_path(key)));
}

Result<std::optional<Table>> Table::find_table(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  TRY(auto found, table(key));
  return std::optional(std::move(found));
}

Result<std::vector<Table>> Table::tables(std::string_view key) const {
  std::vector<Table> out;
  if (!has(key)) return out;
  TRY(const auto* node, node_->load(key, toml::node_type::array));
  for (const auto& element : *node->as_array()) {
    const auto* table = element.as_table();
    if (table == nullptr)
      return node_->bad_value(key, &element, fmt::format("found {}, want tables alone", name_of(element.type())));
    out.push_back(Table(node_->child(*table, node_->child_path(key))));
  }
  return out;
}

Result<std::vector<std::pair<std::string, Table>>> Table::named_tables(std::string_view key) const {
  std::vector<std::pair<std::string, Table>> out;
  if (!has(key)) return out;
  TRY(auto parent, table(key));
  for (const auto& [name, unused] : *parent.node_->table) {
    TRY(auto child, parent.table(name.str()));
    out.emplace_back(std::string(name.str()), std::move(child));
  }
  return out;
}

std::unexpected<Error> Table::refuse(std::string_view key, std::string_view what) const {
  return node_->bad_value(key, node_->find(key), what);
}

Result<Document> Document::parse(std::string_view text, std::string_view display_name) {
  if (text.size() > kMaxDocumentBytes)
    return failf(Errc::malformed, "{}: {} bytes, want at most {}", display_name, text.size(), kMaxDocumentBytes);
  auto parsed = toml::parse(text, display_name);
  if (!parsed) {
    const auto& at = parsed.error().source().begin;
    return failf(Errc::malformed, "{}:{}:{}: {}", display_name, at.line, at.column, parsed.error().description());
  }
  auto source = std::make_shared<Source>();
  source->name = display_name;
  source->root = std::move(parsed).table();
  const toml::table* root = &source->root;
  return Document(Table(std::make_shared<const Table::Node>(std::move(source), root, std::string())));
}

Result<Document> Document::load(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return failf(Errc::not_found, "{}: no such file; want a configuration in TOML", path.native());
  if (!std::filesystem::is_regular_file(path, error))
    return failf(Errc::malformed, "{}: not a file; want a configuration in TOML", path.native());
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMaxDocumentBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.eof() && stream.fail())
    return failf(Errc::unavailable, "{}: cannot be read; check its permissions", path.native());
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse(text, path.native());
}

Result<void> Document::finish() const {
  const Source& source = *root_.node_->source;
  std::vector<UnknownKey> unknown;
  find_unknown(source, source.root, unknown);
  if (unknown.empty()) return {};
  const auto& first = *std::ranges::min_element(unknown, {}, &UnknownKey::line);
  std::string hint;
  if (const auto asked = source.asked.find(first.table); asked != source.asked.end()) {
    if (const auto name = closest_name(first.key, asked->second)) hint = fmt::format(" (did you mean '{}'?)", *name);
  }
  return failf(Errc::malformed, "{}:{}: unknown key '{}'{}", source.name, first.line, log::escape(first.key), hint);
}

}  // namespace sallyport::config
