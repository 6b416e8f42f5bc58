#include <gtest/gtest.h>

#include "http/client.h"
#include "http/detail/test_client.h"
#include "http/server.h"
#include "net/run.h"
#include "net/timer.h"

namespace sallyport::http {
namespace {

using net::Io;
using net::StreamPtr;
using net::Task;
using StreamPair = std::pair<StreamPtr, StreamPtr>;

struct HeadCase {
  const char* name;
  std::string head;
};

class RefusedHead : public ::testing::TestWithParam<HeadCase> {};

TEST_P(RefusedHead, IsMalformed) {
  auto parsed = parse_request_head(as_bytes(GetParam().head));
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().code, Errc::internal) << parsed.error().detail;
}

std::string with_fields(const std::string& fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Smuggling, RefusedHead,
    ::testing::Values(
        HeadCase{"BothLengthAndEncoding", with_fields("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")},
        HeadCase{"TwoLengths", with_fields("Content-Length: 3\r\nContent-Length: 4\r\n")},
        HeadCase{"TwoEqualLengths", with_fields("Content-Length: 3\r\nContent-Length: 3\r\n")},
        HeadCase{"LengthList", with_fields("Content-Length: 3, 3\r\n")},
        HeadCase{"SignedLength", with_fields("Content-Length: +3\r\n")},
        HeadCase{"NegativeLength", with_fields("Content-Length: -3\r\n")},
        HeadCase{"HexLength", with_fields("Content-Length: 0x3\r\n")},
        HeadCase{"EmptyLength", with_fields("Content-Length: \r\n")},
        HeadCase{"HugeLength", with_fields("Content-Length: 99999999999999999999\r\n")},
        HeadCase{"TwoEncodings", with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
        HeadCase{"EncodingList", with_fields("Transfer-Encoding: gzip, chunked\r\n")},
        HeadCase{"IdentityEncoding", with_fields("Transfer-Encoding: identity\r\n")},
        HeadCase{"DisguisedEncoding", with_fields("Transfer-Encoding: xchunked\r\n")},
        HeadCase{"EncodingWithVerticalTab", with_fields("Transfer-Encoding: \x0b"
                                                        "chunked\r\n")},
        HeadCase{"EncodingInHttp10", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
        HeadCase{"SpaceBeforeColon", with_fields("Content-Length : 3\r\n")},
        HeadCase{"TabBeforeColon", with_fields("Transfer-Encoding\t: chunked\r\n")},
        HeadCase{"SpaceBeforeName", with_fields(" Content-Length: 3\r\n")},
        HeadCase{"FoldedLine", with_fields("X: a\r\n b\r\n")},
        HeadCase{"FoldedFirstField", "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"},
        HeadCase{"BareLf", "GET / HTTP/1.1\nHost: a\n\n"},
        HeadCase{"OneBareLf", with_fields("X: a\nContent-Length: 3\r\n")},
        HeadCase{"BareCr", with_fields("X: a\rContent-Length: 3\r\n")},
        HeadCase{"Nul", with_fields(std::string("X: a\0b\r\n", 8))},
        HeadCase{"ControlCharacter", with_fields("X: a\x01\r\n")},
        HeadCase{"NoColon", with_fields("Content-Length\r\n")}, HeadCase{"EmptyName", with_fields(": a\r\n")},
        HeadCase{"NoHost", "GET / HTTP/1.1\r\n\r\n"}, HeadCase{"TwoHosts", with_fields("Host: b\r\n")},
        HeadCase{"EmptyHost", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
        HeadCase{"UserInHost", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
        HeadCase{"AbsoluteTarget", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"EmptyTarget", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"BackslashInTarget", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"FragmentInTarget", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"HighByteInTarget", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"}, HeadCase{"Http09", "GET /\r\n\r\n"},
        HeadCase{"Http2", "PRI * HTTP/2.0\r\n\r\n"}, HeadCase{"Http12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
        HeadCase{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"LeadingEmptyLine", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        HeadCase{"BytesBehindTheEnd", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"},
        HeadCase{"NoEnd", "GET / HTTP/1.1\r\nHost: a\r\n"}, HeadCase{"Empty", ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Head, TooMuchIsOverloaded) {
  const auto long_field = with_fields("X: " + std::string(kMaxHeader, 'a') + "\r\n");
  EXPECT_EQ(parse_request_head(as_bytes(long_field)).error().code, Errc::overloaded);
  std::string many;
  for (std::size_t i = 0; i < kMaxHeaderFields; ++i) many += "X: a\r\n";
  EXPECT_EQ(parse_request_head(as_bytes(with_fields(many))).error().code, Errc::overloaded);
}

TEST(Head, WhatIsFineIsParsed) {
  auto request = parse_request_head(
      as_bytes("PUT /a/b?x=1&y=%20z HTTP/1.1\r\nhost: A:8443\r\nX-Y:  v \r\nCookie: a=1; b=2\r\n\r\n"));
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request->request.method, "PUT");
  EXPECT_EQ(request->request.path(), "/a/b");
  EXPECT_EQ(request->request.query_param("y"), " z");
  EXPECT_EQ(request->request.headers.get("x-y"), "v");
  EXPECT_EQ(request->request.cookie("b"), "2");
  EXPECT_FALSE(request->request.cookie("c"));
  EXPECT_TRUE(parse_request_head(as_bytes("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")));
  EXPECT_TRUE(parse_request_head(as_bytes("GET / HTTP/1.0\r\n\r\n")));
  auto response = parse_response_head(as_bytes("HTTP/1.0 404 Not here\r\nContent-Length: 5\r\n\r\n"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->response.status, 404U);
  EXPECT_EQ(response->reason, "Not here");
  EXPECT_FALSE(
      parse_response_head(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")));
  EXPECT_FALSE(parse_response_head(as_bytes("HTTP/1.1 99 No\r\n\r\n")));
  EXPECT_FALSE(parse_response_head(as_bytes("HTTP/1.1 600 No\r\n\r\n")));
}

TEST(Form, IsDecodedStrictly) {
  auto form = parse_form("a=1&b=x+y%26&&c");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->at(1), std::pair(std::string("b"), std::string("x y&")));
  EXPECT_EQ(form->at(2).second, "");
  EXPECT_FALSE(parse_form("a=%"));
  EXPECT_FALSE(parse_form("a=%4"));
  EXPECT_FALSE(parse_form("a=%4g"));
  EXPECT_FALSE(parse_form("a=%00"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxFormFields; ++i) many += "a&";
  EXPECT_FALSE(parse_form(many));
  EXPECT_EQ(*percent_decode(percent_encode("a/ü %+")), "a/ü %+");
}

Task<Response> echo(Request request, net::PeerInfo) {
  auto text = request.method + " " + request.target + " " + std::string(as_text(request.body));
  if (!request.params.empty()) text += " " + request.params.begin()->second;
  co_return Response::text(text);
}

Task<Response> throwing(Request, net::PeerInfo) {
  throw std::runtime_error("test");
  co_return Response{};
}

Task<void> write_events(BodyWriter& writer) {
  for (const auto* text : {"data: 1\n\n", "data: 2\n\n"}) {
    auto piece = to_bytes(text);
    EXPECT_TRUE(co_await writer.write(std::move(piece), kSoon));
  }
}

Task<Response> streaming(Request, net::PeerInfo) {
  Response response;
  response.headers.add("Content-Type", "text/event-stream");
  response.stream = write_events;
  co_return response;
}

Router routes() {
  Router router;
  router.add("GET", "/echo", echo)
      .add("POST", "/echo", echo, {.body_limit = 10})
      .add("GET", "/devices/{name}", echo)
      .add("GET", "/devices/all", echo)
      .add("GET", "/files/{path...}", echo)
      .add("GET", "/base64/{value...}", echo, {.encoded_slashes = true})
      .add("GET", "/throw", throwing)
      .add("GET", "/events", streaming);
  return router;
}

std::string routed(const Router& router, std::string_view method, std::string_view path) {
  auto found = router.find(method, path);
  if (const auto* response = std::get_if<Response>(&found)) return std::to_string(response->status);
  const auto& params = std::get<Router::Match>(found).params;
  return params.empty() ? "-" : params.begin()->first + "=" + params.begin()->second;
}

TEST(Router, MatchesSegmentsAndDecodesThem) {
  const auto router = routes();
  EXPECT_EQ(routed(router, "GET", "/echo"), "-");
  EXPECT_EQ(routed(router, "HEAD", "/echo"), "-");
  EXPECT_EQ(routed(router, "GET", "/devices/a%20b"), "name=a b");
  EXPECT_EQ(routed(router, "GET", "/devices/all"), "-");
  EXPECT_EQ(routed(router, "GET", "/files/a/b"), "path=a/b");
  EXPECT_EQ(routed(router, "GET", "/files/"), "path=");
  EXPECT_EQ(routed(router, "GET", "/base64/a%2Fb/c%2B%3D"), "value=a/b/c+=");
  EXPECT_EQ(routed(router, "POST", "/base64/a%2Fb"), "405");
  for (const auto* path : {"/", "/echo/", "/devices/", "/devices/a/b", "/Echo", "//echo"}) {
    EXPECT_EQ(routed(router, "GET", path), "404") << path;
  }
  for (const auto* path :
       {"/devices/a%2Fb", "/devices/%", "/devices/%00", "/files/../echo", "/files/%2e%2e/echo", "/files/a%2Fb", ""}) {
    EXPECT_EQ(routed(router, "GET", path), "400") << path;
  }
  EXPECT_EQ(routed(router, "DELETE", "/echo"), "405");
  auto refused = router.find("DELETE", "/echo");
  EXPECT_EQ(std::get<Response>(refused).headers.get("Allow"), "GET, HEAD, POST");
}

ServerOptions quick() {
  ServerOptions options;
  options.header_limit = milliseconds(20);
  options.body_limit = milliseconds(20);
  options.idle_limit = milliseconds(40);
  options.write_limit = kSoon;
  options.max_requests = 3;
  return options;
}

// What a server answers to raw bytes, until it closes.
std::string served(const std::string& bytes) {
  Io io;
  const Server server(routes(), quick());
  auto ends = net::make_pipe(io.executor());
  std::string answer;
  net::run(io, net::join(server.serve(std::move(ends.first)), send_and_read(std::move(ends.second), bytes, answer)));
  return answer;
}

std::string status_line(const std::string& answer) {
  return answer.substr(0, answer.find("\r\n"));
}

TEST(Server, AnswersOneRequestAfterTheOther) {
  const auto get = std::string("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto post = std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  const auto answer = served(get + post + get + get);
  EXPECT_EQ(count_of(answer, "HTTP/1.1 200 OK"), 3U) << "max_requests";
  EXPECT_NE(answer.find("POST /echo abc"), std::string::npos);
  EXPECT_EQ(count_of(answer, "Connection: close"), 1U);
  EXPECT_EQ(count_of(answer, "X-Content-Type-Options: nosniff"), 3U);
}

TEST(Server, ReadsChunksAndDropsTrailers) {
  const auto answer = served(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: "
      "1\r\n\r\n"
      "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("POST /echo abcde"), std::string::npos);
  EXPECT_NE(answer.find("GET /echo "), std::string::npos);
}

TEST(Server, RefusesBrokenChunks) {
  const auto head = std::string("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const auto* body : {"x\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "-1\r\n", "3\nabc\r\n0\r\n\r\n",
                           "3\r\nabcd\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "3 \r\r\nabc\r\n0\r\n\r\n", "\r\n"}) {
    const auto answer = served(head + body);
    EXPECT_EQ(status_line(answer), "HTTP/1.1 400 Bad Request") << body;
    EXPECT_EQ(count_of(answer, "HTTP/1.1 "), 1U) << body;
  }
}

TEST(Server, AnswersWhatIsWrong) {
  const auto field = std::string(" HTTP/1.1\r\nHost: a\r\n");
  EXPECT_EQ(status_line(served("GET /nowhere" + field + "Connection: close\r\n\r\n")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(status_line(served("PUT /echo" + field + "Connection: close\r\n\r\n")), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_EQ(status_line(served("GET /throw" + field + "Connection: close\r\n\r\n")),
            "HTTP/1.1 500 Internal Server Error");
  EXPECT_EQ(status_line(served("POST /echo" + field + "Content-Length: 11\r\n\r\n")), "HTTP/1.1 413 Content Too Large");
  EXPECT_EQ(
      status_line(served("POST /echo" + field + "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n")),
      "HTTP/1.1 413 Content Too Large");
  EXPECT_EQ(status_line(served("GET /echo" + field + "X: " + std::string(kMaxHeader, 'a') + "\r\n\r\n")),
            "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(status_line(served("GET / HTTP/1.1\nHost: a\n\n")), "HTTP/1.1 400 Bad Request");
}

TEST(Server, ASlowRequestIsToldSo) {
  EXPECT_EQ(status_line(served("GET /echo HTTP/1.1\r\nHost")), "HTTP/1.1 408 Request Timeout");
  EXPECT_EQ(status_line(served("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")),
            "HTTP/1.1 408 Request Timeout");
  EXPECT_EQ(served(""), "") << "an idle connection is closed without a word";
}

TEST(Server, HeadHasNoBodyAndEventsAreChunked) {
  const auto head = served("HEAD /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 11\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  const auto events = served("GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(events.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_TRUE(events.ends_with("9\r\ndata: 2\n\n\r\n0\r\n\r\n"));
  const auto old = served("GET /events HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.find("Transfer-Encoding"), std::string::npos);
  EXPECT_TRUE(old.ends_with("\r\n\r\ndata: 1\n\ndata: 2\n\n"));
}

TEST(Server, SaysContinueOnlyToWhomItReads) {
  const auto request = std::string("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n");
  EXPECT_EQ(served(request + "Content-Length: 2\r\n\r\nok").find("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), 0U);
  EXPECT_EQ(served(request + "Content-Length: 99\r\n\r\n").find("HTTP/1.1 413"), 0U);
}

std::optional<Response> refuse_strangers(const Request& head, const net::PeerInfo&) {
  if (head.headers.has("Authorization")) return std::nullopt;
  return Response::error(401);
}

Task<Response> tell_size(Request request, net::PeerInfo) {
  co_return Response::text(std::to_string(request.body.size()));
}

Router known_only() {
  Router router;
  router.add("POST", "/", tell_size, {.body_limit = 1'000, .judge_head = refuse_strangers});
  return router;
}

std::string served_to_the_known(const std::string& bytes) {
  Io io;
  const Server server(known_only(), quick());
  auto ends = net::make_pipe(io.executor());
  std::string answer;
  net::run(io, net::join(server.serve(std::move(ends.first)), send_and_read(std::move(ends.second), bytes, answer)));
  return answer;
}

TEST(Server, WhoIsRefusedAtTheHeadIsNotWaitedForWithABody) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n";
  const auto waited = served_to_the_known(head + "\r\n");
  EXPECT_EQ(status_line(waited), "HTTP/1.1 401 Unauthorized");
  EXPECT_EQ(count_of(waited, "Connection: close"), 1U) << "what follows is no request";
  EXPECT_EQ(status_line(served_to_the_known(head + "Expect: 100-continue\r\n\r\n")), "HTTP/1.1 401 Unauthorized");
  const auto known =
      served_to_the_known(head + "Connection: close\r\nAuthorization: x\r\n\r\n" + std::string(500, 'b'));
  EXPECT_TRUE(known.ends_with("500")) << known;
}

Task<Response> hostile(Request, net::PeerInfo) {
  auto response = Response::text("x");
  response.headers.add("X-Split", "a\r\nSet-Cookie: evil=1");
  response.headers.add("Bad Name", "a");
  co_return response;
}

TEST(Server, AFieldCannotSplitTheHead) {
  Io io;
  Router router;
  router.add("GET", "/", hostile);
  const Server server(std::move(router), quick());
  auto ends = net::make_pipe(io.executor());
  std::string answer;
  net::run(io, net::join(server.serve(std::move(ends.first)),
                         send_and_read(std::move(ends.second), "GET / HTTP/1.0\r\n\r\n", answer)));
  EXPECT_EQ(answer.find("evil"), std::string::npos);
  EXPECT_EQ(answer.find("Bad Name"), std::string::npos);
}

Task<void> use_client(StreamPtr stream) {
  Client client(std::move(stream), "server.test");
  Request request;
  request.target = "/devices/x";
  auto first = co_await client.send(request, kSoon);
  EXPECT_TRUE(first && first->status == 200 && as_text(first->body) == "GET /devices/x  x");
  auto posted = co_await client.send(post("/echo", "text/plain", to_bytes("abc")), kSoon);
  EXPECT_TRUE(posted && as_text(posted->body) == "POST /echo abc");
  EXPECT_TRUE(client.is_open());
  request.target = "/events";
  auto events = co_await client.send(request, kSoon, 10);
  EXPECT_TRUE(!events && events.error().code == Errc::overloaded);
  EXPECT_FALSE(client.is_open());
  auto after = co_await client.send(request, kSoon);
  EXPECT_TRUE(!after && after.error().code == Errc::unavailable);
}

TEST(Client, SendsAndReadsWithinItsLimits) {
  Io io;
  const Server server(routes(), quick());
  auto ends = net::make_pipe(io.executor());
  net::run(io, net::join(server.serve(std::move(ends.first)), use_client(std::move(ends.second))));
}

Task<void> ask_first(StreamPtr stream, bool is_known, Result<Response>& out) {
  Client client(std::move(stream), "server.test");
  Request request = post("/", "text/plain", Bytes(500, 'b'));
  request.headers.set("Expect", "100-continue");
  if (is_known) request.headers.set("Authorization", "x");
  out = co_await client.send(std::move(request), kSoon);
  EXPECT_EQ(client.is_open(), is_known);
}

TEST(Client, KeepsABodyThatIsNotWanted) {
  for (const bool is_known : {false, true}) {
    Io io;
    const Server server(known_only(), quick());
    auto ends = net::make_pipe(io.executor());
    Result<Response> answer = fail(Errc::internal, "not run");
    net::run(io, net::join(server.serve(std::move(ends.first)), ask_first(std::move(ends.second), is_known, answer)));
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->status, is_known ? 200U : 401U);
    if (is_known) EXPECT_EQ(answer->body, to_bytes("500"));
  }
}

Task<void> answer_raw(StreamPtr stream, std::string answer) {
  std::array<std::uint8_t, 4096> buffer{};
  EXPECT_TRUE(co_await stream->read_some(buffer, kSoon));
  EXPECT_TRUE(co_await stream->write_all(as_bytes(answer), kSoon));
  stream->close();
}

Task<void> ask(StreamPtr stream, Result<Bytes>& answer, bool ocsp) {
  Client client(std::move(stream), "server.test");
  if (ocsp) {
    answer = co_await post_ocsp(client, "/ocsp", to_bytes("request"), kSoon);
    co_return;
  }
  auto response = co_await client.send({}, kSoon);
  if (response) {
    answer = std::move(response->body);
  } else {
    answer = std::unexpected<Error>(std::move(response).error());
  }
}

Result<Bytes> answered(const std::string& raw, bool ocsp = false) {
  Io io;
  auto ends = net::make_pipe(io.executor());
  Result<Bytes> answer = fail(Errc::internal, "not run");
  net::run(io, net::join(answer_raw(std::move(ends.first), raw), ask(std::move(ends.second), answer, ocsp)));
  return answer;
}

TEST(Client, BelievesOnlyWholeAnswers) {
  EXPECT_EQ(*answered("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil close"), to_bytes("until close"));
  EXPECT_EQ(*answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), to_bytes("ab"));
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").error().code, Errc::unavailable);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").error().code,
            Errc::unavailable);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Len").error().code, Errc::unavailable);
  EXPECT_EQ(answered("").error().code, Errc::unavailable);
  EXPECT_EQ(answered("SSH-2.0-OpenSSH\r\n\r\n").error().code, Errc::malformed);
  EXPECT_EQ(answered("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").error().code,
            Errc::malformed);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").error().code, Errc::overloaded);
}

TEST(Client, AnOcspAnswerMustBeOne) {
  const auto answer = [](const std::string& type) {
    return answered("HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nContent-Length: 3\r\n\r\nder", true);
  };
  EXPECT_EQ(*answer("application/ocsp-response"), to_bytes("der"));
  EXPECT_FALSE(answer("text/html"));
  EXPECT_FALSE(answered("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", true));
}

}  // namespace
}  // namespace sallyport::http
