// HTTP/1.1 messages as values (RFC 9110, RFC 9112).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "net/stream.h"

namespace sallyport::http {

// Header fields in the order of the message; names compare without regard to case.
class Headers {
 public:
  struct Field {
    std::string name;
    std::string value;
  };

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string_view name, std::string_view value);
  // Replaces every field of this name by one.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  bool has(std::string_view name) const;
  // The first field of this name.
  std::optional<std::string_view> find(std::string_view name) const;
  // The first field of this name, or empty.
  std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view{}); }
  std::vector<std::string_view> all(std::string_view name) const;
  // Whether a comma-separated list field has this element, without regard to case (Connection: close, Upgrade).
  bool lists(std::string_view name, std::string_view element) const;

  std::vector<Field>& fields() { return fields_; }
  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

// Compares ASCII text without regard to case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

struct Request {
  std::string method = "GET";
  std::string target = "/";  // origin-form: path and query, as sent
  Headers headers;
  Bytes body;
  // What the route's {names} matched, percent-decoded; filled by the router.
  std::map<std::string, std::string, std::less<>> params;

  // The target up to '?', as sent.
  std::string_view path() const;
  // What follows '?', or empty.
  std::string_view query() const;
  // A query parameter, decoded; absent when there is none of this name or it is malformed.
  std::optional<std::string> query_param(std::string_view name) const;
  // A route parameter that the pattern is known to have.
  const std::string& param(std::string_view name) const;
  // A cookie of this name (RFC 6265 §4.2).
  std::optional<std::string_view> cookie(std::string_view name) const;
};

// Writes a response body piece by piece.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // Sends `piece` now. Errc::unavailable when the client has gone.
  virtual net::Task<Result<void>> write(Bytes piece, net::Deadline deadline) = 0;
  // False once a piece could not be written.
  virtual bool is_open() const = 0;
};

struct Response {
  unsigned status = 200;
  Headers headers;
  Bytes body;
  // Instead of `body`: writes the body after the head was sent, for as long as it runs (server-sent events). The writer
  // outlives the task.
  std::function<net::Task<void>(BodyWriter&)> stream;
  // Close the connection afterwards.
  bool close = false;
  // It depends on the bytes of the request's head alone, so that the server may repeat it for kRepeatLife.
  bool may_repeat = false;

  // 200, or another status, with a body of this type.
  static Response text(std::string_view body, std::string_view type = "text/plain; charset=utf-8",
                       unsigned status = 200);
  static Response bytes(Bytes body, std::string_view type, unsigned status = 200);
  // An error page: one short sentence, its reason phrase when `sentence` is empty.
  static Response error(unsigned status, std::string_view sentence = {});
};

// What a peer is told about an error: a status and the sentence of its category, nothing of its detail.
unsigned status_of(Errc code);
Response response_of(const Error& error);
std::string_view reason_phrase(unsigned status);

// Decodes %XX; with `plus_is_space` also '+'. Errc::malformed on a bad escape or a decoded NUL.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
// Encodes everything but unreserved characters (RFC 3986 §2.3).
std::string percent_encode(std::string_view text);
// An application/x-www-form-urlencoded body or query, at most kMaxFormFields.
Result<std::vector<std::pair<std::string, std::string>>> parse_form(std::string_view text);
inline constexpr std::size_t kMaxFormFields = 64;

// Parse one message head, from the first line to the empty line. They refuse what two readers could understand
// differently: bare CR or LF, folded lines, white space around a field name, control characters, more than one
// Content-Length, Content-Length with Transfer-Encoding, a Transfer-Encoding other than one "chunked", no or several
// Host in HTTP/1.1, and targets that are not origin-form (or "*" for OPTIONS, authority-form for CONNECT).
// Errc::malformed.
struct RequestHead {
  Request request;  // without a body
  int minor_version = 1;
};
struct ResponseHead {
  Response response;  // without a body
  int minor_version = 1;
  std::string reason;
};
Result<RequestHead> parse_request_head(ByteView head);
Result<ResponseHead> parse_response_head(ByteView head);

}  // namespace sallyport::http
