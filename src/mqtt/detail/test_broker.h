// What the tests of mqtt/ share: a broker made of a socket, which says whatever a test wants, and a list of what a
// connection told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mqtt/connection.h"
#include "net/listener.h"
#include "net/run.h"
#include "net/timer.h"

namespace sallyport::mqtt {

inline constexpr milliseconds kSoon{5'000};  // nothing takes that long unless it is broken

inline Topic topic(std::string_view text) {
  auto parsed = parse_topic(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Topic("?"));
}
inline TopicFilter filter(std::string_view text) {
  auto parsed = parse_topic_filter(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(TopicFilter("?"));
}

// What the handlers were told, one line each, in order.
struct Told {
  explicit Told(net::Io& io) : changed(io.executor()) {}

  void add(std::string line) {
    lines.push_back(std::move(line));
    changed.set();
  }
  ConnectionHandlers handlers() {
    ConnectionHandlers out;
    out.on_connected = [this](bool present) { add(present ? "connected to a session" : "connected"); };
    out.on_disconnected = [this](const Error& why) { add("disconnected: " + why.detail); };
    out.on_message = [this](const Message& message) {
      add(message.topic.get() + "=" + std::string(as_text(message.payload)) + (message.retained ? " retained" : "") +
          (message.duplicate ? " duplicate" : "") + (message.qos == Qos::at_least_once ? " qos1" : ""));
    };
    out.on_subscribed = [this](const TopicFilter& what, const Result<void>& verdict) {
      add("subscribed " + what.get() + (verdict ? "" : ": " + verdict.error().detail));
    };
    return out;
  }
  std::size_t count(std::string_view beginning) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines, [&](const std::string& line) { return line.starts_with(beginning); }));
  }
  std::string all() const {
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
  }

  std::vector<std::string> lines;
  net::Event changed;
};

// Waits until `times` lines begin like that.
inline net::Task<void> until_told(Told& told, std::string beginning, std::size_t times = 1,
                                  milliseconds limit = kSoon) {
  const net::Deadline deadline(limit);
  while (told.count(beginning) < times) {
    told.changed.clear();
    auto changed = co_await told.changed.wait(deadline);
    if (changed) continue;
    ADD_FAILURE() << "not told " << times << " times: " << beginning << "\n" << told.all();
    co_return;
  }
}

inline std::unique_ptr<net::Listener> listen(net::Io& io) {
  auto listener = net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
  EXPECT_TRUE(listener);
  return *std::move(listener);
}

// One packet of ours, fixed header included; empty when we closed.
inline net::Task<Bytes> read_packet(net::Stream& stream) {
  Bytes out(2);
  auto got = co_await net::read_exactly(stream, out, kSoon);
  if (!got) co_return Bytes();
  std::size_t length = out[1] & 0x7fU;
  for (unsigned shift = 7; (out.back() & 0x80U) != 0; shift += 7) {
    out.push_back(0);
    auto more = co_await net::read_exactly(stream, std::span(out).last(1), kSoon);
    if (!more) co_return Bytes();
    length |= static_cast<std::size_t>(out.back() & 0x7fU) << shift;
  }
  const std::size_t head = out.size();
  out.resize(head + length);
  if (length > 0) {
    auto body = co_await net::read_exactly(stream, std::span(out).subspan(head), kSoon);
    if (!body) co_return Bytes();
  }
  co_return out;
}

inline net::Task<void> say(net::Stream& stream, Bytes bytes) {
  auto written = co_await stream.write_all(bytes, kSoon);
  EXPECT_TRUE(written);
}

inline const Bytes kTakes311{0x20, 2, 0, 0};
inline const Bytes kTakes5{0x20, 3, 0, 0, 0};

// Accepts a connection and the CONNECT on it, and answers with `answer`.
inline net::Task<net::StreamPtr> accept_client(net::Listener& listener, Bytes answer) {
  auto stream = co_await listener.accept(kSoon);
  EXPECT_TRUE(stream);
  if (!stream) co_return nullptr;
  const Bytes connect = co_await read_packet(**stream);
  EXPECT_FALSE(connect.empty());
  EXPECT_EQ(connect.empty() ? 0 : connect[0], 0x10);
  if (!answer.empty()) co_await say(**stream, std::move(answer));
  co_return *std::move(stream);
}

inline ConnectionOptions options_for(const net::Listener& listener, Version version = Version::v5) {
  ConnectionOptions options;
  options.broker = listener.address();
  options.version = version;
  options.first_retry = milliseconds(5);
  options.longest_retry = milliseconds(50);
  options.connect_limit = kSoon;
  return options;
}

}  // namespace sallyport::mqtt
