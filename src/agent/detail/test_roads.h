// What stands between a device and its relay, for this layer's tests: HTTP proxies of every kind, and roads that
// swallow.
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

// A proxy that connects whoever shows `login` ("Basic …"; empty: whoever comes), and remembers what it was asked.
class HttpProxy {
 public:
  HttpProxy(net::Io& io, std::string login = {})
      : login_(std::move(login)),
        road_(io, [this](net::StreamPtr stream) { return serve(*this, std::move(stream)); }) {}
  const net::Address& address() const { return road_.address(); }
  std::vector<std::string> asked;
  std::optional<net::Address> leads_to;  // wherever it is asked to go
  std::string answer;                    // instead, where it is not empty

 private:
  static net::Task<void> serve(HttpProxy& self, net::StreamPtr stream) {
    const std::string head = co_await read_head(*stream);
    self.asked.push_back(head);
    std::string reply = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (!self.login_.empty() && head.find("\r\nProxy-Authorization: " + self.login_ + "\r\n") == std::string::npos)
      reply = "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
    if (!self.answer.empty()) reply = self.answer;
    if (auto told = co_await stream->write_all(as_bytes(reply), kSoon); !told) co_return;
    if (!reply.starts_with("HTTP/1.1 200")) co_return;
    const std::string_view target = std::string_view(head).substr(8, head.find(" HTTP/1.1") - 8);
    const auto address = self.leads_to ? Result<net::Address>(*self.leads_to) : net::parse_address(target);
    if (address) co_await carry_to(std::move(stream), *address);
  }
  std::string login_;
  Road road_;
};

}  // namespace sallyport::agent::testing
