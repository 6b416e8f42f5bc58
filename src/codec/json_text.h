// JSON texts for those who write a line of their own, without a tree of values.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::codec {

// Appends `text`, which is valid UTF-8, as a JSON string with its quotation marks; control characters are escaped
// (RFC 8259 §7).
void write_json_text(std::string& out, std::string_view text);

}  // namespace sallyport::codec
