// JSON texts for those who write a line of their own, without a tree of values.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::codec {

// Appends `text`, which is valid UTF-8, as a JSON string with its quotation marks; control characters are escaped
// (RFC 8259 §7).
void write_json_text(std::string& out, std::string_view text);

// Returns the JSON `json` with DEL and the C1 control characters (U+007F to U+009F) in its texts escaped too: the same
// value, in which nothing is left that a terminal obeys. For what is printed; what is hashed stays as it was written.
std::string for_terminal(std::string_view json);

}  // namespace sallyport::codec
