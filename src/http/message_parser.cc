#include "http/detail/message_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/src.hpp>

#include "http/detail/head_check.h"
#include "http/limits.h"

namespace sallyport::http {
namespace {

namespace beast = boost::beast::http;
using boost::beast::error_code;
using BeastText = boost::beast::string_view;

std::string to_text(BeastText text) {
  return {text.data(), text.size()};
}

// Collects what Beast finds. Trailers are read and dropped (RFC 9110 §6.5.1).
template <bool kIsRequest>
class Parser final : public beast::basic_parser<kIsRequest>, public BodyDecoder {
 public:
  explicit Parser(bool without_body) {
    this->header_limit(kMaxHeader);
    this->body_limit(boost::none);
    this->eager(true);
    if (without_body) this->skip(true);
  }

  Result<std::size_t> feed(ByteView in, Bytes& out) override {
    out_ = &out;
    error_code error;
    const auto taken = this->put(boost::asio::buffer(in.data(), in.size()), error);
    out_ = nullptr;
    if (error && error != beast::error::need_more) return failf(Errc::malformed, "http message: {}", error.message());
    return taken;
  }

  Result<void> feed_end() override {
    error_code error;
    this->put_eof(error);
    if (error) return fail(Errc::unavailable, "http message: the connection ended in the middle");
    return {};
  }

  bool is_done() const override { return this->basic_parser_t::is_done(); }

  Framing framing() const override { return framing_; }
  // Called once the head is parsed.
  void settle_framing() {
    if (this->chunked()) {
      framing_ = Framing::chunked;
    } else if (this->content_length()) {
      framing_ = Framing::length;
    } else if (this->need_eof() && !is_done()) {
      framing_ = Framing::until_close;
    }
  }

  std::optional<std::uint64_t> length() const override {
    const auto length = this->content_length();
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
  }

  std::string method;
  std::string target;
  unsigned status = 0;
  std::string reason;
  int version = 11;
  Headers headers;

 private:
  using basic_parser_t = beast::basic_parser<kIsRequest>;

  void on_request_impl(beast::verb, BeastText method_text, BeastText target_text, int found, error_code&) override {
    method = to_text(method_text);
    target = to_text(target_text);
    version = found;
  }
  void on_response_impl(int code, BeastText reason_text, int found, error_code&) override {
    status = static_cast<unsigned>(code);
    reason = to_text(reason_text);
    version = found;
  }
  void on_field_impl(beast::field, BeastText name, BeastText value, error_code&) override {
    if (!head_done_) headers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  void on_header_impl(error_code&) override { head_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(BeastText body, error_code&) override { return take(body); }
  void on_chunk_header_impl(std::uint64_t, BeastText, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastText body, error_code&) override { return take(body); }
  void on_finish_impl(error_code&) override {}

  std::size_t take(BeastText body) {
    append(*out_, as_bytes({body.data(), body.size()}));
    return body.size();
  }

  Bytes* out_ = nullptr;
  Framing framing_ = Framing::none;
  bool head_done_ = false;
};

// Feeds a head that check_lines() has passed; Beast must take all of it and find its end where we did.
template <bool kIsRequest>
Result<std::unique_ptr<Parser<kIsRequest>>> parse_checked(ByteView head, bool without_body) {
  TRY_VOID(check_lines(head));
  auto parser = std::make_unique<Parser<kIsRequest>>(without_body);
  Bytes no_body;
  TRY(const auto taken, parser->feed(head, no_body));
  if (taken != head.size() || !parser->is_header_done() || !no_body.empty()) {
    return fail(Errc::malformed, "http head: ends where it should not");
  }
  parser->settle_framing();
  if (parser->version != 10 && parser->version != 11)
    return fail(Errc::malformed, "http head: not HTTP/1.0 or HTTP/1.1");
  return parser;
}

}  // namespace

Result<IncomingRequest> begin_request(ByteView head) {
  TRY(auto parser, parse_checked<true>(head, false));
  IncomingRequest incoming;
  incoming.head.minor_version = parser->version - 10;
  incoming.head.request.method = std::move(parser->method);
  incoming.head.request.target = std::move(parser->target);
  incoming.head.request.headers = std::move(parser->headers);
  TRY_VOID(check_request(incoming.head.request, incoming.head.minor_version));
  incoming.body = std::move(parser);
  return incoming;
}

Result<IncomingResponse> begin_response(ByteView head, bool to_head) {
  TRY(auto parser, parse_checked<false>(head, to_head));
  IncomingResponse incoming;
  incoming.head.minor_version = parser->version - 10;
  incoming.head.reason = std::move(parser->reason);
  incoming.head.response.status = parser->status;
  incoming.head.response.headers = std::move(parser->headers);
  TRY_VOID(check_framing(incoming.head.response.headers, incoming.head.minor_version));
  if (parser->status < 100 || parser->status > 599)
    return failf(Errc::malformed, "http response: status {}", parser->status);
  incoming.body = std::move(parser);
  return incoming;
}

Result<RequestHead> parse_request_head(ByteView head) {
  TRY(auto incoming, begin_request(head));
  return std::move(incoming.head);
}

Result<ResponseHead> parse_response_head(ByteView head) {
  TRY(auto incoming, begin_response(head, false));
  return std::move(incoming.head);
}

}  // namespace sallyport::http
