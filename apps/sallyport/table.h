// Answers of the administration interface for people: aligned columns, and what came from devices or people made safe
// to show on a terminal.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codec/json.h"

namespace sallyport::cli {

struct Column {
  std::string_view title;
  std::string_view key;  // of the member that is shown
};

// Returns a value as one word or phrase: null as "-", true and false as "yes" and "no", arrays and objects as compact
// JSON. Control characters (C0, DEL and C1) come out as "?", so that no name can move the cursor or set colours.
std::string shown(const codec::Json& value);

// Prints `rows`, objects, under the titles of `columns`, each as wide as its widest cell; the last as wide as it is.
void print_table(std::span<const codec::Json> rows, std::span<const Column> columns);

// Prints the members of `object` that `fields` name, one a line.
void print_fields(const codec::Json& object, std::span<const Column> fields);

}  // namespace sallyport::cli
