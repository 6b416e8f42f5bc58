#include "http/repeated_answers.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "http/detail/test_client.h"
#include "http/server.h"
#include "net/descriptor.h"
#include "net/run.h"

namespace sallyport::http {
namespace {

using net::Io;
using net::Task;

// A server that counts what reaches its handler, and what it says to some requests on one connection.
struct Repeating {
  Task<Response> answer(Request request) {
    Response response = Response::text(fmt::format("{} {}", request.param("what"), ++asked));
    response.may_repeat = request.param("what") != "once";
    co_return response;
  }
  std::string say(const std::string& bytes) {
    Router router;
    router.add("GET", "/{what}", [this](Request request, net::PeerInfo) { return answer(std::move(request)); });
    Io io;
    ServerOptions options;
    options.idle_limit = milliseconds(20);
    options.max_requests = 10;
    options.repeated = repeated;
    const Server server(std::move(router), std::move(options));
    auto ends = net::make_pipe(io.executor());
    std::string said;
    net::run(io, net::join(server.serve(std::move(ends.first)), send_and_read(std::move(ends.second), bytes, said)));
    return said;
  }
  ManualClock clock{UnixTime(1'780'315'200)};
  std::shared_ptr<RepeatedAnswers> repeated = std::make_shared<RepeatedAnswers>(clock);
  int asked = 0;
};

TEST(RepeatedAnswers, TheSameBytesGetTheSameAnswerForASecond) {
  Repeating server;
  const std::string get = "GET /many HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto answer = server.say(get + get + get);
  EXPECT_EQ(count_of(answer, "many 1"), 3U) << answer;
  EXPECT_EQ(server.asked, 1);
  EXPECT_EQ(server.repeated->found(), 2U);
  EXPECT_EQ(count_of(server.say(get), "many 1"), 1U) << "another connection";
  server.clock.advance(kRepeatLife);
  EXPECT_EQ(count_of(server.say(get), "many 2"), 1U);
  server.repeated->clear();
  EXPECT_EQ(count_of(server.say(get), "many 3"), 1U);
}

TEST(RepeatedAnswers, WhatDiffersInAnyByteIsAskedAnew) {
  Repeating server;
  server.say("GET /many HTTP/1.1\r\nHost: a\r\n\r\n");
  for (const char* other :
       {"GET /many HTTP/1.1\r\nHost: b\r\n\r\n", "GET /many HTTP/1.1\r\nhost: a\r\n\r\n",
        "HEAD /many HTTP/1.1\r\nHost: a\r\n\r\n", "GET /many? HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /many HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /many HTTP/1.0\r\nHost: a\r\n\r\n"}) {
    const int before = server.asked;
    server.say(other);
    EXPECT_EQ(server.asked, before + 1) << other;
  }
}

TEST(RepeatedAnswers, OnlyWhatMayBeRepeatedIs) {
  Repeating server;
  const std::string once = "GET /once HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(count_of(server.say(once + once), "once 2"), 1U);
  const std::string with_body = "GET /many HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
  server.say(with_body + "x" + with_body + "y");
  EXPECT_EQ(server.asked, 4) << "a body is no part of the head";
  const std::string closed = "GET /many HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  server.say(closed);
  server.say(closed);
  EXPECT_EQ(server.asked, 6) << "it said that the connection would end";
  const std::string old = "GET /many HTTP/1.0\r\n\r\n";
  server.say(old);
  server.say(old);
  EXPECT_EQ(server.asked, 8);
}

TEST(RepeatedAnswers, TheLastOfAConnectionIsToldSo) {
  Repeating server;
  std::string twenty;
  for (int i = 0; i < 20; ++i) twenty += "GET /many HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto answer = server.say(twenty);
  EXPECT_EQ(count_of(answer, "HTTP/1.1 200 OK"), 10U);
  EXPECT_EQ(count_of(answer, "Connection: close"), 1U);
}

// Says each piece when the answers so far have come, or the server has had its time to wait for the rest.
Task<void> converse(net::StreamPtr stream, std::vector<std::string> pieces, std::string& said) {
  for (const std::string& piece : pieces) {
    EXPECT_TRUE(co_await stream->write_all(as_bytes(piece), kSoon));
    std::array<std::uint8_t, 4096> buffer;
    for (const auto before = said.size(); said.find("many ", before) == std::string::npos;) {
      const auto got = co_await stream->read_some(buffer, piece.ends_with("\r\n\r\n") ? kSoon : milliseconds(2));
      if (!got || *got == 0) break;
      said += as_text(ByteView(buffer).first(*got));
    }
  }
  stream->close();
}

std::string converse_over(Repeating& repeating, net::Io& io, std::pair<net::StreamPtr, net::StreamPtr> ends,
                          std::vector<std::string> pieces) {
  Router router;
  router.add("GET", "/{what}",
             [&repeating](Request request, net::PeerInfo) { return repeating.answer(std::move(request)); });
  ServerOptions options;
  options.repeated = repeating.repeated;
  const Server server(std::move(router), std::move(options));
  std::string said;
  net::run(io,
           net::join(server.serve(std::move(ends.first)), converse(std::move(ends.second), std::move(pieces), said)));
  return said;
}

std::pair<net::StreamPtr, net::StreamPtr> socket_ends(const net::Executor& executor) {
  auto ends = net::make_socket_pair();
  EXPECT_TRUE(ends);
  auto near = net::adopt_socket(executor, std::move(ends->first));
  auto far = net::adopt_socket(executor, std::move(ends->second));
  EXPECT_TRUE(near && far);
  return {*std::move(near), *std::move(far)};
}

const std::string kMany = "GET /many HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(RepeatedAnswers, GoOutOverASocketAsLongAsNothingElseIsAsked) {
  Repeating server;
  net::Io io;
  std::vector<std::string> pieces(300, kMany);  // more than one turn of the loop
  pieces.emplace_back("GET /many? HTTP/1.1\r\nHost: a\r\n\r\n");
  pieces.push_back(kMany);
  const auto said = converse_over(server, io, socket_ends(io.executor()), pieces);
  EXPECT_EQ(count_of(said, "many 1"), 301U);
  EXPECT_EQ(count_of(said, "many 2"), 1U);
  EXPECT_EQ(server.asked, 2);
  EXPECT_EQ(server.repeated->found(), 300U);
}

TEST(RepeatedAnswers, ARequestInPiecesIsOneAllTheSame) {
  Repeating server;
  net::Io io;
  const std::vector<std::string> pieces{kMany, kMany.substr(0, 5), kMany.substr(5, 20), kMany.substr(25), kMany};
  EXPECT_EQ(count_of(converse_over(server, io, socket_ends(io.executor()), pieces), "many 1"), 3U);
  EXPECT_EQ(server.asked, 1);
}

TEST(RepeatedAnswers, AreWrittenWholeToWhoReadsSlowly) {
  Repeating server;
  net::Io io;
  constexpr std::size_t kLessThanAnAnswer = 50;
  const auto said = converse_over(server, io, net::make_pipe(io.executor(), kLessThanAnAnswer), {kMany, kMany, kMany});
  EXPECT_EQ(count_of(said, "many 1"), 3U);
  EXPECT_EQ(count_of(said, "HTTP/1.1 200 OK"), 3U);
  EXPECT_EQ(server.repeated->found(), 2U);
}

TEST(RepeatedAnswers, WhoSaysNothingIsNotWaitedForLonger) {
  Repeating server;
  server.say(kMany);
  EXPECT_EQ(server.say(""), "") << "the idle limit of 20 ms ends it";
}

TEST(RepeatedAnswers, WhatIsNoRequestIsRefusedAfterThemToo) {
  Repeating server;
  net::Io io;
  const std::vector<std::string> pieces{kMany, kMany, "NONSENSE\n\r\n\r\n"};
  const auto said = converse_over(server, io, socket_ends(io.executor()), pieces);
  EXPECT_EQ(count_of(said, "many 1"), 2U);
  EXPECT_EQ(count_of(said, "HTTP/1.1 400"), 1U);
}

TEST(RepeatedAnswers, HoldNoMoreThanTheirLimits) {
  ManualClock clock{UnixTime(1'780'315'200)};
  RepeatedAnswers answers(clock);
  const auto small = std::make_shared<const Bytes>(Bytes(10));
  for (std::size_t i = 0; i <= kMaxRepeatedAnswers; ++i) answers.put(as_bytes(std::to_string(i)), small);
  EXPECT_TRUE(answers.find(as_bytes("0")));
  EXPECT_FALSE(answers.find(as_bytes(std::to_string(kMaxRepeatedAnswers))));
  clock.advance(kRepeatLife);
  EXPECT_FALSE(answers.find(as_bytes("0")));
  answers.put(as_bytes("large"), std::make_shared<const Bytes>(Bytes(kMaxRepeatedResponse + 1)));
  EXPECT_FALSE(answers.find(as_bytes("large")));
  answers.put(Bytes(kMaxRepeatedRequest + 1), small);
  EXPECT_FALSE(answers.find(Bytes(kMaxRepeatedRequest + 1)));
}

}  // namespace
}  // namespace sallyport::http
