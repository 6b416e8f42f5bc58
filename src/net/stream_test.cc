#include "net/stream.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "net/descriptor_passing.h"
#include "net/detail/test_streams.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sallyport-net-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

Task<void> half_close(StreamPair ends) {
  co_await send_text(*ends.first, "question");
  EXPECT_TRUE(co_await ends.first->shutdown_write(kSoon));
  EXPECT_EQ(co_await read_text(*ends.second), "question");
  co_await send_text(*ends.second, "answer");
  EXPECT_TRUE(co_await ends.second->shutdown_write(kSoon));
  EXPECT_EQ(co_await read_text(*ends.first), "answer");
}

Task<void> half_close_over_tcp() {
  auto ends = co_await tcp_pair();
  EXPECT_EQ(ends.second->peer().address.host, "127.0.0.1");
  EXPECT_FALSE(ends.second->peer().uid);
  co_await half_close(std::move(ends));
}

TEST(Stream, TheOtherDirectionGoesOnAfterAHalfClose) {
  Io io;
  run(io, half_close_over_tcp());
  run(io, half_close(unix_pair(io.executor())));
  run(io, half_close(make_pipe(io.executor())));
}

Task<void> expire(StreamPair ends) {
  std::array<std::uint8_t, 16> buffer{};
  auto got = co_await ends.first->read_some(buffer, kAtOnce);
  EXPECT_TRUE(!got && got.error().code == Errc::expired);
  auto ready = co_await ends.first->wait_readable(kAtOnce);
  EXPECT_TRUE(!ready && ready.error().code == Errc::expired);
  // More than any buffer takes, and nobody reads.
  const Bytes much(16 * 1024 * 1024);
  auto written = co_await ends.first->write_all(much, milliseconds(20));
  EXPECT_TRUE(!written && written.error().code == Errc::expired);
  // A read that expired has lost nothing.
  co_await send_text(*ends.second, "late");
  auto late = co_await ends.first->read_some(buffer, kSoon);
  EXPECT_TRUE(late && *late == 4);
}

TEST(Stream, EveryWaitEndsAtItsDeadline) {
  Io io;
  run(io, expire(unix_pair(io.executor())));
  run(io, expire(make_pipe(io.executor())));
}

Task<void> close_soon(Stream& stream) {
  co_await yield();
  stream.close();
}

Task<void> read_until_closed(Stream& stream) {
  std::array<std::uint8_t, 16> buffer{};
  auto got = co_await stream.read_some(buffer, kSoon);
  EXPECT_TRUE(!got && got.error().code == Errc::unavailable);
}

Task<void> close_while_reading(StreamPair ends) {
  co_await join(read_until_closed(*ends.first), close_soon(*ends.first));
  std::array<std::uint8_t, 16> buffer{};
  auto after = co_await ends.first->read_some(buffer, kSoon);
  EXPECT_TRUE(!after && after.error().code == Errc::unavailable);
  auto end = co_await ends.second->read_some(buffer, kSoon);
  EXPECT_TRUE(end && *end == 0);
}

TEST(Stream, ClosingWakesTheReader) {
  Io io;
  run(io, close_while_reading(unix_pair(io.executor())));
  run(io, close_while_reading(make_pipe(io.executor())));
}

Task<void> read_more_than_allowed(StreamPair ends) {
  co_await send_text(*ends.first, std::string(100, 'x'));
  EXPECT_TRUE(co_await ends.first->shutdown_write(kSoon));
  auto all = co_await read_to_end(*ends.second, 99, kSoon);
  EXPECT_TRUE(!all && all.error().code == Errc::overloaded);
}

Task<void> read_less_than_promised(StreamPair ends) {
  co_await send_text(*ends.first, "abc");
  ends.first->close();
  std::array<std::uint8_t, 4> buffer{};
  auto read = co_await read_exactly(*ends.second, buffer, kSoon);
  EXPECT_TRUE(!read && read.error().code == Errc::unavailable);
}

TEST(Stream, ReadingToTheEndIsBounded) {
  Io io;
  run(io, read_more_than_allowed(make_pipe(io.executor())));
  run(io, read_less_than_promised(make_pipe(io.executor())));
}

Task<void> release_and_adopt(StreamPair ends) {
  co_await send_text(*ends.second, "unread");
  auto descriptor = ends.first->release();
  EXPECT_TRUE(descriptor);
  EXPECT_EQ(ends.first->native(), -1);
  EXPECT_FALSE(ends.first->release());
  auto again = adopt_socket(ends.second->executor(), *std::move(descriptor));
  EXPECT_TRUE(again);
  ends.second->close();
  EXPECT_EQ(co_await read_text(**again), "unread");
}

TEST(Stream, AReleasedDescriptorStillHasItsBytes) {
  Io io;
  run(io, release_and_adopt(unix_pair(io.executor())));
  auto pipe = make_pipe(io.executor());
  EXPECT_FALSE(pipe.first->release());
  EXPECT_FALSE(adopt_socket(io.executor(), Descriptor(::dup(STDERR_FILENO))));
}

TEST(Listener, APortInUseIsOneClearError) {
  Io io;
  auto first = Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(first);
  const auto address = (*first)->address();
  EXPECT_NE(address.port, 0);
  auto second = Listener::tcp(io.executor(), address);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_NE(second.error().detail.find(to_string(address)), std::string::npos);
  EXPECT_NE(second.error().detail.find("choose another port"), std::string::npos);
  EXPECT_EQ(Listener::tcp(io.executor(), {.host = "localhost", .port = 0}).error().code, Errc::malformed);
  EXPECT_EQ(Listener::tcp(io.executor(), {.host = "192.0.2.1", .port = 0}).error().code, Errc::not_found);
}

TEST(Listener, PortsAreSharedWhereThatIsWanted) {
  Io io;
  auto first = Listener::tcp(io.executor(), {.host = "::1", .port = 0}, {.reuse_port = true});
  ASSERT_TRUE(first);
  EXPECT_TRUE(Listener::tcp(io.executor(), (*first)->address(), {.reuse_port = true}));
}

Task<void> connect_and_accept(std::string path) {
  auto listener = Listener::unix_socket(co_await current_executor(), path, 0600);
  EXPECT_TRUE(listener);
  struct stat made{};
  EXPECT_EQ(::stat(path.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777U, 0600U);
  auto again = Listener::unix_socket(co_await current_executor(), path);
  EXPECT_TRUE(!again && again.error().code == Errc::unavailable);
  auto connected = co_await connect_unix(path, kSoon);
  EXPECT_TRUE(connected);
  while (true) {  // the probe of the second listener comes first
    auto accepted = co_await (*listener)->accept(kSoon);
    EXPECT_TRUE(accepted);
    if (!accepted) co_return;
    EXPECT_EQ((*accepted)->peer().uid, ::getuid());
    std::array<std::uint8_t, 1> byte{};
    auto got = co_await (*accepted)->read_some(byte, milliseconds(5));
    if (!got && got.error().code == Errc::expired) break;
  }
  auto none = co_await (*listener)->accept(kAtOnce);
  EXPECT_TRUE(!none && none.error().code == Errc::expired);
}

TEST(Listener, AUnixSocketIsPrivateAndNamesItsPeer) {
  Io io;
  const Folder folder;
  run(io, connect_and_accept(folder.file("a.sock")));
  EXPECT_FALSE(std::filesystem::exists(folder.file("a.sock")));
}

TEST(Listener, AStaleSocketIsReplacedAndNothingElse) {
  Io io;
  const Folder folder;
  const auto path = folder.file("stale.sock");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  {
    const Descriptor left_over(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(left_over.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  EXPECT_TRUE(Listener::unix_socket(io.executor(), path));
  std::ofstream(folder.file("file")) << "precious";
  EXPECT_EQ(Listener::unix_socket(io.executor(), folder.file("file")).error().code, Errc::conflict);
  EXPECT_TRUE(std::filesystem::exists(folder.file("file")));
  EXPECT_EQ(Listener::unix_socket(io.executor(), std::string(200, 'x')).error().code, Errc::malformed);
}

TEST(Listener, AnInheritedSocketMustListen) {
  Io io;
  auto first = Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(first);
  auto taken = Listener::inherited(io.executor(), Descriptor(::dup((*first)->native())));
  ASSERT_TRUE(taken);
  EXPECT_EQ((*taken)->address(), (*first)->address());
  auto ends = make_socket_pair();
  EXPECT_FALSE(Listener::inherited(io.executor(), std::move(ends->first)));
}

Task<void> connect_to_nobody(std::string path, Address address) {
  auto missing = co_await connect_unix(path, kSoon);
  EXPECT_TRUE(!missing && missing.error().code == Errc::not_found);
  auto refused = co_await connect_tcp(address, kSoon);
  EXPECT_TRUE(!refused && refused.error().code == Errc::unavailable);
  EXPECT_NE(refused.error().detail.find(to_string(address)), std::string::npos);
}

TEST(Connect, SaysWhoDidNotAnswer) {
  Io io;
  const Folder folder;
  auto listener = Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
  const auto address = (*listener)->address();
  listener->reset();
  run(io, connect_to_nobody(folder.file("none.sock"), address));
}

Task<void> connect_by_name() {
  auto listener = Listener::tcp(co_await current_executor(), {.host = "127.0.0.1", .port = 0});
  EXPECT_TRUE(listener);
  const Address address{.host = "localhost", .port = (*listener)->address().port};
  auto connected = co_await connect_tcp(address, kSoon);
  EXPECT_TRUE(connected) << connected.error().detail;
  EXPECT_EQ((*connected)->peer().address, (*listener)->address());
}

TEST(Connect, TriesWhatANameStandsFor) {
  Io io;
  run(io, connect_by_name());
}

Task<void> connect_from_an_address() {
  auto listener = Listener::tcp(co_await current_executor(), {.host = "127.0.0.1", .port = 0});
  EXPECT_TRUE(listener);
  auto connected = co_await connect_tcp((*listener)->address(), kSoon, {.source = "127.9.0.1"});
  EXPECT_TRUE(connected) << connected.error().detail;
  auto accepted = co_await (*listener)->accept(kSoon);
  EXPECT_EQ((*accepted)->peer().address.host, "127.9.0.1");
  for (const std::string source : {"192.0.2.1", "::1", "localhost"}) {
    auto refused = co_await connect_tcp((*listener)->address(), kSoon, {.source = source});
    EXPECT_FALSE(refused) << source;
    EXPECT_NE(refused.error().detail.find(source == "192.0.2.1" ? "bind" : source), std::string::npos)
        << refused.error().detail;
  }
}

TEST(Connect, LeavesByTheAddressThatItIsGivenOrNotAtAll) {
  Io io;
  run(io, connect_from_an_address());
}

Task<void> pass_descriptor(StreamPair channel, StreamPair passed) {
  co_await send_text(*passed.second, "through");
  passed.second->close();
  auto metadata = to_bytes("who");
  EXPECT_TRUE(co_await send_descriptor(*channel.first, *passed.first->release(), std::move(metadata), kSoon));
  EXPECT_TRUE(co_await send_descriptor(*channel.first, Descriptor(::dup(STDERR_FILENO)), {}, kSoon));
  auto received = co_await receive_descriptor(*channel.second, kSoon);
  EXPECT_TRUE(received && as_text(received->metadata) == "who");
  auto stream = adopt_socket(channel.first->executor(), std::move(received->descriptor));
  EXPECT_EQ(co_await read_text(**stream), "through");
  auto second = co_await receive_descriptor(*channel.second, kSoon);
  EXPECT_TRUE(second && second->metadata.empty());
  auto too_long = co_await send_descriptor(*channel.first, Descriptor(::dup(STDERR_FILENO)), Bytes(4097), kSoon);
  EXPECT_TRUE(!too_long && too_long.error().code == Errc::malformed);
  co_await send_text(*channel.first, std::string("\0\1x", 3));
  auto without = co_await receive_descriptor(*channel.second, kSoon);
  EXPECT_TRUE(!without && without.error().code == Errc::malformed);
  channel.first->close();
}

// A read of it ends after a descriptor, wherever its peer is said to be: that is no word of what else there is.
Task<void> read_behind_a_descriptor(Executor executor) {
  auto ends = make_socket_pair();
  auto near = adopt_socket(executor, std::move(ends->first), Address{.host = "192.0.2.7", .port = 443});
  auto far = adopt_socket(executor, std::move(ends->second));
  EXPECT_TRUE(near.has_value() && far.has_value());
  EXPECT_EQ((*near)->peer().address.host, "192.0.2.7");
  EXPECT_TRUE((*near)->peer().uid.has_value());
  // The loop knows it, and is told of both at once.
  EXPECT_FALSE(co_await (*near)->wait_readable(milliseconds(1)));
  EXPECT_TRUE(co_await send_descriptor(**far, Descriptor(::dup(STDERR_FILENO)), to_bytes("one"), kSoon));
  co_await send_text(**far, "two");
  EXPECT_TRUE(co_await (*near)->wait_readable(kSoon));
  std::string all;
  Bytes into(100);
  while (all.size() < 8) {
    const auto got = co_await (*near)->read_some(into, kSoon);
    EXPECT_TRUE(got.has_value());
    if (!got) co_return;
    all += as_text(ByteView(into).first(*got));
  }
  EXPECT_EQ(all.substr(2), "onetwo");
}

TEST(Streams, UnixSocketsAreReadWhollyWhereverTheirPeerIsSaidToBe) {
  Io io;
  run(io, read_behind_a_descriptor(io.executor()));
}

TEST(DescriptorPassing, OneDescriptorPerMessage) {
  Io io;
  run(io, pass_descriptor(unix_pair(io.executor()), unix_pair(io.executor())));
}

Task<void> pass_over_pipe(StreamPair pipe) {
  auto received = co_await receive_descriptor(*pipe.first, kSoon);
  EXPECT_TRUE(!received && received.error().code == Errc::conflict);
}

TEST(DescriptorPassing, NeedsAUnixSocket) {
  Io io;
  run(io, pass_over_pipe(make_pipe(io.executor())));
}

TEST(Deadline, CountsFromItsMaking) {
  EXPECT_TRUE(Deadline(milliseconds(0)).passed());
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_FALSE(Deadline(milliseconds::max()).passed());
  EXPECT_EQ(Deadline(milliseconds(-5)).remaining(), milliseconds(0));
  EXPECT_LE(Deadline(seconds(1)).remaining(), milliseconds(1000));
}

Task<void> wait_for_set(Event& event) {
  EXPECT_TRUE(co_await event.wait(kSoon));
}

Task<void> set_event(Event& event) {
  co_await yield();
  event.set();
}

Task<void> wait_for_nothing(Event& event) {
  auto waited = co_await event.wait(kAtOnce);
  EXPECT_TRUE(!waited && waited.error().code == Errc::expired);
}

Task<void> wait_for_the_gone(std::unique_ptr<Event>& event) {
  auto waited = co_await event->wait(kSoon);
  EXPECT_TRUE(!waited && waited.error().code == Errc::unavailable);
}

Task<void> end_event(std::unique_ptr<Event>& event) {
  co_await yield();
  event.reset();
}

TEST(Event, WakesExpiresAndEnds) {
  Io io;
  Event event(io.executor());
  run(io, wait_for_nothing(event));
  run(io, join(wait_for_set(event), set_event(event)));
  run(io, wait_for_set(event));
  auto ending = std::make_unique<Event>(io.executor());
  run(io, join(wait_for_the_gone(ending), end_event(ending)));
}

TEST(Address, IsParsedStrictly) {
  EXPECT_EQ(*parse_address("Gateway.Example:443"), (Address{"gateway.example", 443}));
  EXPECT_EQ(*parse_address("[::1]:0"), (Address{"::1", 0}));
  EXPECT_EQ(to_string(*parse_address("[0:0::1]:65535")), "[::1]:65535");
  for (const auto* text :
       {"",      "a",      "a:",    ":1",          "a:65536",     "a:-1",    "a:+1",  "a: 1",  "a:1 ", "::1:5",
        "[::1]", "[::1:5", "[a]:1", "[1.2.3.4]:1", "1.2.3.256:1", "1.2.3:1", "a b:1", "a_b:1", "a/:1", "user@a:1"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_TRUE(is_loopback({"127.0.0.9", 1}));
  EXPECT_FALSE(is_loopback({"127.example", 1}));
}

Task<void> look_without_reading() {
  auto ends = co_await tcp_pair();
  EXPECT_EQ(own_address(*ends.first), ends.second->peer().address);
  EXPECT_EQ(look_at_unread(*ends.first), Unread::nothing);
  co_await send_text(*ends.second, "x");
  EXPECT_TRUE(co_await ends.first->wait_readable(kSoon));
  EXPECT_EQ(look_at_unread(*ends.first), Unread::bytes);
  std::array<std::uint8_t, 4> buffer{};
  auto got = co_await ends.first->read_some(buffer, kSoon);
  EXPECT_TRUE(got && *got == 1);
  EXPECT_EQ(look_at_unread(*ends.first), Unread::nothing);
  ends.second->close();
  EXPECT_TRUE(co_await ends.first->wait_readable(kSoon));
  EXPECT_EQ(look_at_unread(*ends.first), Unread::end);
  ends.first->close();
  EXPECT_EQ(look_at_unread(*ends.first), Unread::nothing);
  EXPECT_EQ(own_address(*ends.first).host, "");
}

TEST(Stream, WhatHasComeIsSeenWithoutBeingRead) {
  Io io;
  run(io, look_without_reading());
}

}  // namespace
}  // namespace sallyport::net
