// What a message head must keep to before Beast parses it, so that no two readers of it can disagree.
#pragma once

#include "base/bytes.h"
#include "http/message.h"

namespace sallyport::http {

bool is_token(std::string_view text);
// Whether `value` may be sent as a field value: visible characters, spaces, tabs and bytes above 127.
bool is_field_value(std::string_view value);

// Whether the part of a head that has arrived cannot become a head any more: a bare CR or LF, a NUL.
bool is_broken_head(ByteView part);
// The length of the head at the beginning of `bytes`, its empty line included; 0 when that has not arrived.
std::size_t head_length(ByteView bytes);

// Checks lines and fields of a whole head (RFC 9112 §2.2, §3, §5).
Result<void> check_lines(ByteView head);
// RFC 9112 §6: at most one Content-Length (digits alone), or one Transfer-Encoding "chunked" in HTTP/1.1, never both.
Result<void> check_framing(const Headers& headers, int minor_version);
Result<void> check_request(const Request& request, int minor_version);

}  // namespace sallyport::http
