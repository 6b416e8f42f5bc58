#include "net/rpc.h"

#include <filesystem>

#include "net/copy.h"
#include "net/detail/test_streams.h"
#include "net/rpc_link.h"

namespace sallyport::net {
namespace {

Task<Result<Bytes>> echo(Bytes request, Caller) {
  const auto text = std::string(as_text(request));
  if (text == "refuse") co_return fail(Errc::conflict, "test: refused");
  if (text == "throw") throw std::runtime_error("test");
  if (text == "slow") co_await sleep_for(kSoon);
  if (text == "long") co_return Bytes(2000);
  co_return request;
}

RpcOptions serving() {
  RpcOptions options;
  options.on_request = echo;
  options.max_frame = 1024;
  options.max_calls = 4;
  return options;
}

Task<Errc> error_of_call(std::shared_ptr<RpcPeer> peer, std::string text, milliseconds limit) {
  auto answer = co_await peer->call(to_bytes(text), limit);
  EXPECT_FALSE(answer) << text;
  co_return answer ? Errc::internal : answer.error().code;
}

Task<void> call_around(StreamPair ends) {
  auto server = RpcPeer::start(std::move(ends.first), serving());
  auto client = RpcPeer::start(std::move(ends.second), RpcOptions{.max_frame = 1024});
  auto answer = co_await client->call(to_bytes("hello"), kSoon);
  EXPECT_TRUE(answer && as_text(*answer) == "hello");
  EXPECT_EQ(co_await error_of_call(client, "refuse", kSoon), Errc::conflict);
  EXPECT_EQ(co_await error_of_call(client, "throw", kSoon), Errc::internal);
  EXPECT_EQ(co_await error_of_call(client, "long", kSoon), Errc::overloaded);
  EXPECT_EQ(co_await error_of_call(client, "slow", kAtOnce), Errc::expired);
  EXPECT_EQ(co_await error_of_call(client, std::string(2000, 'x'), kSoon), Errc::overloaded);
  EXPECT_EQ(co_await error_of_call(server, "nobody answers here", kSoon), Errc::not_found);
  auto after = co_await client->call(to_bytes("still there"), kSoon);
  EXPECT_TRUE(after);
  server->close();
  co_await client->ended();
  EXPECT_EQ(co_await error_of_call(client, "gone", kSoon), Errc::unavailable);
}

TEST(Rpc, AnswersErrorsAndDeadlines) {
  Io io;
  run(io, call_around(make_pipe(io.executor())));
}

Task<void> one_call(std::shared_ptr<RpcPeer> peer, std::string text, Errc wanted, int& left) {
  EXPECT_EQ(co_await error_of_call(peer, text, kSoon), wanted);
  --left;
}

Task<void> close_peer(std::shared_ptr<RpcPeer> peer) {
  co_await yield();
  co_await yield();
  peer->close();
}

Task<void> break_while_calling(StreamPair ends) {
  auto server = RpcPeer::start(std::move(ends.first), serving());
  auto client = RpcPeer::start(std::move(ends.second), RpcOptions{.max_calls = 2});
  int left = 2;
  const auto begun = std::chrono::steady_clock::now();
  auto both =
      join(one_call(client, "slow", Errc::unavailable, left), one_call(client, "slow", Errc::unavailable, left));
  co_await join(std::move(both), close_peer(server));
  EXPECT_EQ(left, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kSoon);
}

TEST(Rpc, AllCallsFailAtOnceWhenTheConnectionEnds) {
  Io io;
  run(io, break_while_calling(make_pipe(io.executor())));
}

Task<void> too_many(StreamPair ends) {
  auto server = RpcPeer::start(std::move(ends.first), serving());
  auto client = RpcPeer::start(std::move(ends.second), RpcOptions{.max_calls = 1});
  int left = 1;
  spawn(co_await current_executor(), one_call(client, "slow", Errc::unavailable, left), "test");
  co_await yield();
  EXPECT_EQ(co_await error_of_call(client, "second", kSoon), Errc::overloaded);
  client->close();
  co_await yield();
  co_await yield();
  EXPECT_EQ(left, 0);
}

TEST(Rpc, CallsInFlightAreBounded) {
  Io io;
  run(io, too_many(make_pipe(io.executor())));
}

Task<void> push_events(StreamPair ends) {
  std::string seen;
  auto arrived = std::make_shared<Event>(co_await current_executor());
  RpcOptions listening;
  listening.on_event = [&seen, arrived](Bytes event, Caller) {
    seen += as_text(event);
    if (seen.size() == 3) arrived->set();
  };
  auto left = RpcPeer::start(std::move(ends.first), listening);
  auto right = RpcPeer::start(std::move(ends.second), RpcOptions{.max_queued = 64});
  for (const auto* text : {"a", "b", "c"}) EXPECT_TRUE(right->send_event(to_bytes(text)));
  EXPECT_TRUE(co_await arrived->wait(kSoon));
  EXPECT_EQ(seen, "abc");
  auto queued = Result<void>{};
  for (int i = 0; i < 100 && queued; ++i) queued = right->send_event(Bytes(20));
  EXPECT_TRUE(!queued && queued.error().code == Errc::overloaded);
  left->close();
  right->close();
  EXPECT_EQ(right->send_event({}).error().code, Errc::unavailable);
}

TEST(Rpc, EventsComeInOrderAndDoNotPileUp) {
  Io io;
  run(io, push_events(make_pipe(io.executor())));
}

Task<void> feed_garbage(StreamPair ends, Bytes garbage) {
  auto peer = RpcPeer::start(std::move(ends.first), serving());
  EXPECT_TRUE(co_await ends.second->write_all(garbage, kSoon));
  co_await peer->ended();
  EXPECT_FALSE(peer->is_open());
}

TEST(Rpc, AMalformedFrameEndsTheConnection) {
  Io io;
  run(io, feed_garbage(make_pipe(io.executor()), Writer().u32(1025).bytes(Bytes(9)).take()));
  run(io, feed_garbage(make_pipe(io.executor()), Writer().u32(9).u64(1).u8(5).take()));
  run(io, feed_garbage(make_pipe(io.executor()), Writer().u32(9).u64(0).u8(1).take()));
  run(io, feed_garbage(make_pipe(io.executor()), Writer().u32(3).bytes(Bytes(3)).take()));
}

Task<void> read_frames(StreamPair ends) {
  FrameChannel reading(std::move(ends.first), 100'000);
  FrameChannel writing(std::move(ends.second), 100'000);
  const std::array frames = {Bytes(3, 7), Bytes(60'000, 5), Bytes(), Bytes(2, 9)};
  EXPECT_TRUE(co_await writing.write(frames, kSoon));
  for (const Bytes& frame : frames) {
    auto read = co_await reading.read(kSoon);
    EXPECT_TRUE(read && *read == frame);
  }
  const std::array one_too_long = {Bytes(1), Bytes(100'001)};
  auto too_long = co_await writing.write(one_too_long, kSoon);
  EXPECT_TRUE(!too_long && too_long.error().code == Errc::overloaded);
  auto half = Writer().u32(10).u8(1).take();
  EXPECT_TRUE(co_await writing.stream().write_all(half, kSoon));
  auto late = co_await reading.read_when_any(kAtOnce);
  EXPECT_TRUE(!late && late.error().code == Errc::expired);
}

// Headers and frames cut anywhere: each byte is a write of its own.
Task<void> read_frames_cut_anywhere(StreamPair ends) {
  FrameChannel reading(std::move(ends.first), 100);
  const Bytes sent = Writer().u32(2).u16(5).u32(0).u32(1).u8(6).u32(101).take();
  for (const std::uint8_t byte : sent) EXPECT_TRUE(co_await ends.second->write_all(std::span(&byte, 1), kSoon));
  const std::array frames = {Writer().u16(5).take(), Bytes(), Bytes(1, 6)};
  for (const Bytes& frame : frames) {
    auto read = co_await reading.read_when_any(kSoon);
    EXPECT_TRUE(read && *read == frame);
  }
  auto too_long = co_await reading.read_when_any(kSoon);
  EXPECT_TRUE(!too_long && too_long.error().code == Errc::malformed);
}

Task<void> read_one_frame_per_write(StreamPair ends) {
  FrameChannel reading(std::move(ends.first), 100);
  FrameChannel writing(std::move(ends.second), 100);
  const std::array frame = {Bytes(9, 1)};
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(co_await writing.write(frame, kSoon));
    auto read = co_await reading.read_when_any(kSoon);
    EXPECT_TRUE(read && *read == frame[0]);
  }
  EXPECT_TRUE(co_await writing.stream().write_all(Bytes{0, 0}, kSoon));
  writing.close();
  auto ended = co_await reading.read_when_any(kSoon);
  EXPECT_TRUE(!ended && ended.error().code == Errc::unavailable);
}

TEST(FrameChannel, FramesAreCutFromWhateverArrives) {
  Io io;
  run(io, read_frames_cut_anywhere(make_pipe(io.executor())));
  run(io, read_one_frame_per_write(make_pipe(io.executor())));
}

TEST(FrameChannel, FramesAreWholeAndBounded) {
  Io io;
  run(io, read_frames(make_pipe(io.executor())));
}

TEST(RpcError, UnknownCategoriesBecomeInternal) {
  EXPECT_EQ(parse_rpc_error(Writer().u8(200).text("x").take())->code, Errc::internal);
  EXPECT_EQ(parse_rpc_error(encode_rpc_error({Errc::not_yet, "later"}))->code, Errc::not_yet);
  EXPECT_FALSE(parse_rpc_error({}));
}

struct LinkTest {
  std::string path;
  int connects = 0;
  int disconnects = 0;
};

Task<Result<void>> greet(LinkTest& test, std::shared_ptr<RpcPeer> peer) {
  ++test.connects;
  auto answer = co_await peer->call(to_bytes("greeting"), kSoon);
  CO_TRY_VOID(std::move(answer));
  co_return Result<void>{};
}

Task<void> serve_link_once(Listener& listener) {
  auto stream = co_await listener.accept(kSoon);
  EXPECT_TRUE(stream);
  if (!stream) co_return;
  auto peer = RpcPeer::start(*std::move(stream), serving());
  // Two requests: the greeting and the call of the test; then the server goes away.
  co_await peer->ended();
}

Task<void> reconnect(LinkTest& test) {
  auto executor = co_await current_executor();
  SeededRandom random(1);
  RpcLinkOptions options{.path = test.path};
  options.on_connect = [&test](std::shared_ptr<RpcPeer> peer) { return greet(test, std::move(peer)); };
  options.on_disconnect = [&test] { ++test.disconnects; };
  options.first_retry = milliseconds(1);
  options.longest_retry = milliseconds(5);
  RpcLink link(executor, random, options);
  auto nobody = co_await link.call(to_bytes("x"), milliseconds(10));
  EXPECT_TRUE(!nobody && nobody.error().code == Errc::unavailable);
  for (int round = 1; round <= 2; ++round) {
    auto listener = Listener::unix_socket(executor, test.path);
    EXPECT_TRUE(listener);
    spawn(executor, serve_link_once(**listener), "test.server");
    auto answer = co_await link.call(to_bytes("hello"), kSoon);
    EXPECT_TRUE(answer && as_text(*answer) == "hello");
    EXPECT_TRUE(link.is_connected());
    EXPECT_EQ(test.connects, round);
    link.drop_connection();
    for (int turn = 0; turn < 20 && test.disconnects < round; ++turn) co_await yield();
    EXPECT_EQ(test.disconnects, round);
  }
  link.close();
  auto closed = co_await link.call(to_bytes("x"), kSoon);
  EXPECT_TRUE(!closed && closed.error().code == Errc::unavailable);
}

TEST(RpcLink, ComesBackAndGreetsAgain) {
  Io io;
  std::string folder = (std::filesystem::temp_directory_path() / "sallyport-rpc-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  LinkTest test{.path = folder + "/link.sock"};
  run(io, reconnect(test));
  std::filesystem::remove_all(folder);
}

Task<void> copy_into(CopyTotals& totals, Stream& left, Stream& right, CopyLimits limits) {
  totals = co_await copy_both_ways(left, right, limits);
}

Task<void> talk_through(Stream& a, Stream& b) {
  co_await send_text(a, std::string(200'000, 'x'));
  EXPECT_TRUE(co_await a.shutdown_write(kSoon));
  const auto text = co_await read_text(a);
  EXPECT_EQ(text, "answer");
  static_cast<void>(b);
}

Task<void> answer_through(Stream& b) {
  const auto text = co_await read_text(b);
  EXPECT_EQ(text.size(), 200'000U);
  co_await send_text(b, "answer");
  EXPECT_TRUE(co_await b.shutdown_write(kSoon));
}

TEST(Copy, PassesHalfClosesAndCounts) {
  Io io;
  auto near = unix_pair(io.executor());
  auto far = make_pipe(io.executor(), 1000);
  CopyTotals totals;
  auto ends = join(talk_through(*near.first, *far.second), answer_through(*far.second));
  run(io, join(std::move(ends), copy_into(totals, *near.second, *far.first, kSoon)));
  EXPECT_EQ(totals.left_to_right, 200'000U);
  EXPECT_EQ(totals.right_to_left, 6U);
  EXPECT_FALSE(totals.error);
}

Task<void> reset_in_midstream(Stream& near, Stream& far) {
  co_await send_text(near, "half");
  Bytes heard(4);
  EXPECT_TRUE(co_await read_exactly(far, heard, kSoon));
  reset(near);
  const auto rest = co_await far.read_some(heard, kSoon);
  EXPECT_FALSE(rest) << "the end of a stream in order";
}

TEST(Copy, PassesAResetOnAsAReset) {
  Io io;
  const auto near = run(io, tcp_pair());
  io.restart();
  const auto far = run(io, tcp_pair());
  ASSERT_TRUE(near && far);
  CopyTotals totals;
  io.restart();
  run(io, join(copy_into(totals, *near->second, *far->first, kSoon), reset_in_midstream(*near->first, *far->second)));
  ASSERT_TRUE(totals.error);
  EXPECT_EQ(totals.error->code, Errc::unavailable);
  EXPECT_EQ(totals.left_to_right, 4U);
}

Task<void> end_one_direction(Stream& stream) {
  EXPECT_TRUE(co_await stream.shutdown_write(kSoon));
}

TEST(Copy, WaitsLessForTheOtherOnceOneDirectionHasEnded) {
  Io io;
  auto near = unix_pair(io.executor());
  auto far = make_pipe(io.executor());
  CopyTotals totals;
  const CopyLimits limits(kSoon, milliseconds(5));
  run(io, join(copy_into(totals, *near.second, *far.first, limits), end_one_direction(*near.first)));
  ASSERT_TRUE(totals.error);
  EXPECT_EQ(totals.error->code, Errc::expired);
}

TEST(Copy, EndsWhenNothingMoves) {
  Io io;
  auto near = unix_pair(io.executor());
  auto far = make_pipe(io.executor());
  CopyTotals totals;
  run(io, copy_into(totals, *near.second, *far.first, milliseconds(5)));
  ASSERT_TRUE(totals.error);
  EXPECT_EQ(totals.error->code, Errc::expired);
  EXPECT_EQ(near.second->native(), -1);
}

}  // namespace
}  // namespace sallyport::net
