// What the tests of net/ share: connected streams and the test certificates.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "crypto/tls.h"
#include "net/connect.h"
#include "net/listener.h"
#include "net/run.h"

namespace sallyport::net {

inline constexpr milliseconds kSoon{5'000};  // nothing takes that long unless it is broken
inline constexpr milliseconds kAtOnce{1};    // what is meant to expire

inline Bytes fixture(const std::string& file) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/tests/vectors/net/" + file, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  EXPECT_FALSE(bytes.empty()) << file;
  return bytes;
}

// Leaf and CA of "server", "second" or "client".
inline crypto::TlsIdentity test_identity(const std::string& name) {
  auto key = crypto::PrivateKey::from_pem(as_text(fixture(name + ".pem")));
  EXPECT_TRUE(key);
  return {.chain = {fixture(name + ".der"), fixture("ca.der")},
          .key = std::make_shared<const crypto::PrivateKey>(*std::move(key))};
}

using StreamPair = std::pair<StreamPtr, StreamPtr>;

// Two ends of a TCP connection over loopback: the one that connected, the one that was accepted.
inline Task<StreamPair> tcp_pair() {
  auto listener = Listener::tcp(co_await current_executor(), {.host = "127.0.0.1", .port = 0});
  EXPECT_TRUE(listener);
  auto connected = co_await connect_tcp((*listener)->address(), kSoon);
  auto accepted = co_await (*listener)->accept(kSoon);
  EXPECT_TRUE(connected && accepted);
  co_return StreamPair(*std::move(connected), *std::move(accepted));
}

// Two ends of a Unix socket connection.
inline StreamPair unix_pair(const Executor& executor) {
  auto ends = make_socket_pair();
  EXPECT_TRUE(ends);
  auto left = adopt_socket(executor, std::move(ends->first));
  auto right = adopt_socket(executor, std::move(ends->second));
  EXPECT_TRUE(left && right);
  return {*std::move(left), *std::move(right)};
}

inline Task<std::string> read_text(Stream& stream, std::size_t limit = 1 << 20) {
  auto all = co_await read_to_end(stream, limit, kSoon);
  EXPECT_TRUE(all) << (all ? "" : all.error().detail);
  co_return std::string(as_text(all.value_or(Bytes())));
}

inline Task<void> send_text(Stream& stream, std::string text) {
  auto written = co_await stream.write_all(as_bytes(text), kSoon);
  EXPECT_TRUE(written);
}

}  // namespace sallyport::net
