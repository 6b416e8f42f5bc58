#include "table.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include <fmt/core.h>

namespace sallyport::cli {
namespace {

// Characters on the screen: octets that do not continue one.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

void print_padded(std::string_view text, std::size_t width) {
  fmt::print("{}{}", text, std::string(width - std::min(width, width_of(text)) + 2, ' '));
}

std::string cell(const codec::Json& row, std::string_view key) {
  const codec::Json* value = row.find(key);
  return value == nullptr ? "-" : shown(*value);
}

std::string without_controls(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto octet = static_cast<unsigned char>(text[at]);
    const bool is_c1 = octet == 0xC2U && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0U;
    if (is_c1) ++at;
    out += octet < 0x20U || octet == 0x7FU || is_c1 ? '?' : text[at];
  }
  return out;
}

}  // namespace

std::string shown(const codec::Json& value) {
  if (value.is_null()) return "-";
  if (const auto truth = value.boolean()) return *truth ? "yes" : "no";
  if (const auto text = value.text()) return text->empty() ? "-" : without_controls(*text);
  return without_controls(value.write());
}

void print_table(std::span<const codec::Json> rows, std::span<const Column> columns) {
  std::vector<std::size_t> widths;
  for (const Column& column : columns) {
    std::size_t widest = width_of(column.title);
    for (const codec::Json& row : rows) widest = std::max(widest, width_of(cell(row, column.key)));
    widths.push_back(widest);
  }
  const auto print_line = [&](const auto& text_of) {
    for (std::size_t at = 0; at + 1 < columns.size(); ++at) print_padded(text_of(columns[at]), widths[at]);
    fmt::print("{}\n", text_of(columns.back()));
  };
  print_line([](const Column& column) { return std::string(column.title); });
  for (const codec::Json& row : rows) print_line([&](const Column& column) { return cell(row, column.key); });
}

void print_fields(const codec::Json& object, std::span<const Column> fields) {
  std::size_t widest = 0;
  for (const Column& field : fields) widest = std::max(widest, width_of(field.title));
  for (const Column& field : fields) {
    print_padded(field.title, widest);
    fmt::print("{}\n", cell(object, field.key));
  }
}

}  // namespace sallyport::cli
