#include "agent/data_dialer.h"

#include <algorithm>

#include "base/counted.h"
#include "base/log.h"
#include "net/copy.h"
#include "net/descriptor.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kFirstPiece = 16U * 1024U;
// The user's TLS inside has limits of its own, which end it sooner. What is left when that has ended is a peer who does
// not end his direction.
const net::CopyLimits kSealedLimits(milliseconds(5 * 3'600'000), kSealedHalfClosedLimit);

}  // namespace

net::SocketOptions DataDialer::socket_options(const NetworkMemory& known) {
  net::SocketOptions socket;
  socket.keepalive_idle = std::min(socket.keepalive_idle, known.ping.current);
  return socket;
}

// Dials and says what for.
net::Task<Result<net::StreamPtr>> DataDialer::show(tunnel::Ticket ticket, std::size_t way, net::SocketOptions socket,
                                                   net::Deadline limit) {
  auto dialled = co_await dialer_.way_out().dial(way, limit, socket);
  if (!dialled) co_return fail(Errc::unavailable, std::move(dialled).error().detail);
  net::StreamPtr stream = *std::move(dialled);
  const Bytes preface = tunnel::encode_preface(ticket);
  CO_TRY_VOID(co_await stream->write_all(preface, limit));
  co_return std::move(stream);
}

net::Task<Result<net::StreamPtr>> DataDialer::dial_ready(tunnel::Ticket ticket, std::size_t way, std::string network) {
  const NetworkMemory known = dialer_.way_out().find_network(network);
  if (wants_sealed(known) || raw_network_ != network)
    co_return fail(Errc::unavailable, "ready connection: none has brought a user's bytes in this network yet");
  co_return co_await show(ticket, way, socket_options(known), kDataDialLimit);
}

net::Task<Result<net::StreamPtr>> DataDialer::dial_raw(tunnel::Ticket ticket, std::size_t way,
                                                       net::SocketOptions socket, net::StreamPtr ready) {
  const net::Deadline limit(kDataDialLimit);
  auto shown = ready ? Result<net::StreamPtr>(std::move(ready)) : co_await show(ticket, way, socket, limit);
  if (!shown) co_return shown;
  net::StreamPtr stream = *std::move(shown);
  const auto deadline = earlier(limit, kRawPatience);
  while (net::look_at_unread(*stream) == net::Unread::nothing) {
    const auto came = co_await stream->wait_readable(deadline);
    if (!came) co_return fail(came.error().code, "no byte of the user came");
  }
  if (net::look_at_unread(*stream) == net::Unread::end) co_return fail(Errc::unavailable, "ended before the user came");
  co_return std::move(stream);
}

net::Task<Result<net::StreamPtr>> DataDialer::dial_sealed(tunnel::Ticket ticket, std::size_t way,
                                                          net::SocketOptions socket) {
  if (*carried_ >= kMaxSealed) co_return failf(Errc::overloaded, "{} are carried already", *carried_);
  const net::Deadline deadline(kDataDialLimit);
  CO_TRY(auto sealed, co_await dialer_.connect_for_data(way, relay_, deadline, socket));
  const Bytes preface = tunnel::encode_preface(ticket);
  CO_TRY_VOID(co_await sealed->write_all(preface, deadline));
  Bytes first(kFirstPiece);
  CO_TRY(const std::size_t count, co_await sealed->read_some(first, deadline));
  if (count == 0) co_return fail(Errc::unavailable, "ended before the user came");
  first.resize(count);
  CO_TRY(auto ends, net::make_socket_pair());
  CO_TRY(auto inside, net::adopt_socket(tasks_.executor(), std::move(ends.first)));
  CO_TRY(auto outside, net::adopt_socket(tasks_.executor(), std::move(ends.second)));
  tasks_.spawn(carry(std::move(sealed), std::move(inside), std::move(first), carried_), "agent.sealed-data");
  co_return std::move(outside);
}

net::Task<void> DataDialer::carry(net::StreamPtr sealed, net::StreamPtr inside, Bytes first,
                                  std::shared_ptr<std::size_t> carried) {
  const Counted counted(*carried);
  if (!co_await inside->write_all(first, kDataDialLimit)) co_return;
  static_cast<void>(co_await net::copy_both_ways(*sealed, *inside, kSealedLimits));
}

bool DataDialer::wants_sealed(const NetworkMemory& known) {
  if (!known.is_sealed) return false;
  const Instant now = time_.monotonic();
  if (sealed_network_ != known.network) {
    sealed_network_ = known.network;
    sealed_since_ = now;
  }
  return now - sealed_since_ < kTryRawAfter;
}

void DataDialer::learn(const std::string& network, bool is_sealed) {
  sealed_network_ = is_sealed ? network : std::string();
  raw_network_ = is_sealed ? std::string() : network;
  sealed_since_ = time_.monotonic();
  NetworkMemory known = dialer_.way_out().find_network(network);
  if (known.is_sealed == is_sealed) return;
  known.is_sealed = is_sealed;
  dialer_.way_out().keep_network(known);
  log::info("agent.data-connections", {{"network", network}, {"inside_tls", is_sealed}});
}

net::Task<Result<net::StreamPtr>> DataDialer::dial(tunnel::Ticket ticket, std::size_t way, std::string network,
                                                   net::StreamPtr ready) {
  const NetworkMemory known = dialer_.way_out().find_network(network);
  const net::SocketOptions socket = socket_options(known);
  if (wants_sealed(known)) {
    auto stream = co_await dial_sealed(ticket, way, socket);
    if (stream) co_return stream;
    // The next one finds out anew.
    learn(network, false);
    raw_network_.clear();
    co_return std::unexpected(std::move(stream).error().at("data connection inside TLS"));
  }
  const bool was_ready = ready != nullptr;
  auto raw = co_await dial_raw(ticket, way, socket, std::move(ready));
  if (raw) {
    learn(network, false);
    co_return raw;
  }
  // The ticket is good once: when the relay had it, this attempt ends at once.
  auto sealed = co_await dial_sealed(ticket, way, socket);
  if (sealed) {
    learn(network, true);
    co_return sealed;
  }
  // What goes to the relay and does not come back: the next user would wait for nothing as well.
  // One that had waited may only have been forgotten by a NAT.
  if (raw.error().code == Errc::expired && !was_ready) learn(network, true);
  co_return failf(Errc::unavailable, "data connection: raw: {}; inside TLS: {}", raw.error().detail,
                  sealed.error().detail);
}

}  // namespace sallyport::agent
