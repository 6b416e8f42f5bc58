// The lexical elements that HTTP heads are made of (RFC 9110 §5.6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace sallyport::tunnel {

// The port of an https URL that names none (RFC 9110 §4.2.2).
inline constexpr std::uint16_t kHttpsPort = 443;

bool equal_ignoring_case(std::string_view a, std::string_view b);
// Without spaces and tabs at either end.
std::string_view trim(std::string_view text);
// Whether `text` is a token: letters, digits and the fifteen marks, at least one.
bool is_token(std::string_view text);
// Whether a byte below 0x20 or 0x7F is in it.
bool has_control(std::string_view text);
// Cuts what stands before the next `separator` from the front of `rest`, with the separator.
std::string_view take_until(std::string_view& rest, char separator);
// Between a head and what follows it (RFC 9112 §2.1).
inline constexpr std::string_view kEndOfHead = "\r\n\r\n";
// name ":" OWS value OWS (RFC 9112 §5), whose name is a token. Absent: it is no such line. Borrows; says nothing of
// what the value has in it.
struct FieldLine {
  std::string_view name;
  std::string_view value;
};
std::optional<FieldLine> read_field_line(std::string_view line);
// Whether a list with commas (RFC 9110 §5.6.1) has that element, in either case.
bool lists(std::string_view list, std::string_view wanted);
// Whether `text` is host ":" port (RFC 9112 §3.2.3) of the characters that names and addresses have; the port has a
// digit that is not 0.
bool is_authority(std::string_view text);
// A request's lines so far, a login's header line, which may be empty, and the empty line.
SecretBytes with_login(std::string_view head, const SecretBytes& login);

}  // namespace sallyport::tunnel
