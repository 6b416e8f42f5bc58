// What stands between a device and its relay, for this layer's tests: proxies of every kind, and roads that swallow.
#pragma once

#include "agent/detail/test_installation.h"
#include "net/connect.h"
#include "net/copy.h"

namespace sallyport::agent::testing {

// Reads the head of a request.
inline net::Task<std::string> read_head(net::Stream& stream) {
  std::string head;
  std::array<std::uint8_t, 1> octet{};
  while (!head.ends_with("\r\n\r\n")) {
    const auto count = co_await stream.read_some(octet, kSoon);
    if (!count || *count == 0) co_return head;
    head += static_cast<char>(octet[0]);
  }
  co_return head;
}

// A port that does `serve` with each connection, which it owns, and counts them.
class Road {
 public:
  using Serve = std::function<net::Task<void>(net::StreamPtr)>;
  Road(net::Io& io, Serve serve) : io_(io), serve_(std::move(serve)) {
    auto made = net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
    EXPECT_TRUE(made);
    listener_ = *std::move(made);
    net::spawn(io.executor(), accept(*this), "test.road");
  }
  const net::Address& address() const { return listener_->address(); }
  std::size_t connections = 0;

 private:
  static net::Task<void> accept(Road& self) {
    for (;;) {
      auto stream = co_await self.listener_->accept(net::Deadline::never());
      if (!stream) co_return;
      ++self.connections;
      net::spawn(self.io_.executor(), self.serve_(*std::move(stream)), "test.road-connection");
    }
  }
  net::Io& io_;
  Serve serve_;
  std::unique_ptr<net::Listener> listener_;
};

inline net::Task<void> carry_to(net::StreamPtr near, net::Address to) {
  auto far = co_await net::connect_tcp(std::move(to), kSoon);
  if (far) static_cast<void>(co_await net::copy_both_ways(*near, **far, kSoon));
}

// A proxy that connects whoever shows `login` ("Basic …", or the beginning of it; empty: whoever comes), tells
// everybody else that it wants a login by `asks`, and remembers what it was asked.
class HttpProxy {
 public:
  explicit HttpProxy(net::Io& io, std::string login = {})
      : login_(std::move(login)),
        road_(io, [this](net::StreamPtr stream) { return serve(*this, std::move(stream)); }) {}
  const net::Address& address() const { return road_.address(); }
  std::vector<std::string> asked;
  std::optional<net::Address> leads_to;  // wherever it is asked to go
  std::string answer;                    // instead, where it is not empty
  std::string asks = "Basic realm=\"x\"";

 private:
  static net::Task<void> serve(HttpProxy& self, net::StreamPtr stream) {
    std::string head, reply;
    // Whoever is refused may ask again by the same connection.
    do {
      head = co_await read_head(*stream);
      if (head.empty()) co_return;
      self.asked.push_back(head);
      reply = "HTTP/1.1 200 Connection established\r\n\r\n";
      if (!self.answer.empty()) reply = self.answer;
      if (!self.login_.empty() && head.find("\r\nProxy-Authorization: " + self.login_) == std::string::npos)
        reply =
            fmt::format("HTTP/1.1 407 Who are you\r\nProxy-Authenticate: {}\r\nContent-Length: 0\r\n\r\n", self.asks);
      if (auto told = co_await stream->write_all(as_bytes(reply), kSoon); !told) co_return;
    } while (reply.starts_with("HTTP/1.1 407"));
    if (!reply.starts_with("HTTP/1.1 200")) co_return;
    const std::string_view target = std::string_view(head).substr(8, head.find(" HTTP/1.1") - 8);
    const auto address = self.leads_to ? Result<net::Address>(*self.leads_to) : net::parse_address(target);
    if (address) co_await carry_to(std::move(stream), *address);
  }
  std::string login_;
  Road road_;
};

// A SOCKS 5 proxy (RFC 1928), for whoever shows `user` and `password` (RFC 1929) where there is a user.
class SocksProxy {
 public:
  explicit SocksProxy(net::Io& io, std::string user = {}, std::string password = {})
      : user_(std::move(user)),
        password_(std::move(password)),
        road_(io, [this](net::StreamPtr stream) { return serve(*this, std::move(stream)); }) {}
  const net::Address& address() const { return road_.address(); }
  std::vector<net::Address> asked;
  std::optional<net::Address> leads_to;  // wherever it is asked to go
  std::uint8_t reply = 0;                // REP

 private:
  static net::Task<Bytes> read(net::Stream& stream, std::size_t size) {
    Bytes out(size);
    EXPECT_TRUE(co_await net::read_exactly(stream, out, kSoon));
    co_return out;
  }
  static net::Task<std::string> read_text(net::Stream& stream) {
    const Bytes size = co_await read(stream, 1);
    const Bytes text = co_await read(stream, size[0]);
    co_return std::string(as_text(text));
  }
  static net::Task<bool> lets_in(SocksProxy& self, net::Stream& stream) {
    const Bytes greeting = co_await read(stream, 2);
    EXPECT_EQ(greeting[0], 5);
    const Bytes methods = co_await read(stream, greeting[1]);
    const std::uint8_t wanted = self.user_.empty() ? 0 : 2;
    const bool is_offered = std::ranges::find(methods, wanted) != methods.end();
    const Bytes chosen{5, is_offered ? wanted : std::uint8_t{0xFF}};
    if (!co_await stream.write_all(chosen, kSoon) || !is_offered) co_return false;
    if (wanted == 0) co_return true;
    const Bytes version = co_await read(stream, 1);
    EXPECT_EQ(version[0], 1);
    const std::string user = co_await read_text(stream);
    const std::string password = co_await read_text(stream);
    const bool is_good = user == self.user_ && password == self.password_;
    const Bytes verdict{1, is_good ? std::uint8_t{0} : std::uint8_t{1}};
    co_return co_await stream.write_all(verdict, kSoon) && is_good;
  }
  static net::Task<net::Address> read_target(net::Stream& stream) {
    const Bytes head = co_await read(stream, 4);
    EXPECT_EQ(head[1], 1) << "CONNECT";
    net::Address out;
    if (head[3] == 3) {
      out.host = co_await read_text(stream);
    } else {
      net::IpOctets ip{.octets = {}, .size = head[3] == 1 ? 4U : 16U};
      const Bytes octets = co_await read(stream, ip.size);
      std::ranges::copy(octets, ip.octets.begin());
      out.host = net::to_string(ip);
    }
    const Bytes port = co_await read(stream, 2);
    out.port = static_cast<std::uint16_t>((port[0] << 8U) | port[1]);
    co_return out;
  }
  static net::Task<void> serve(SocksProxy& self, net::StreamPtr stream) {
    if (!co_await lets_in(self, *stream)) co_return;
    const net::Address target = co_await read_target(*stream);
    self.asked.push_back(target);
    const Bytes answer{5, self.reply, 0, 1, 127, 0, 0, 1, 0, 80};
    if (!co_await stream->write_all(answer, kSoon) || self.reply != 0) co_return;
    co_await carry_to(std::move(stream), self.leads_to.value_or(target));
  }
  std::string user_, password_;
  Road road_;
};

}  // namespace sallyport::agent::testing
