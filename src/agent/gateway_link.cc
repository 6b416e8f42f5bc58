#include "agent/gateway_link.h"

#include <algorithm>
#include <charconv>

namespace sallyport::agent {

GatewayLink::GatewayLink(ServerDialer& dialer, const DeviceTime& time, DnsName gateway, IdentitySource identity)
    : dialer_(dialer), time_(time), gateway_(std::move(gateway)), identity_(std::move(identity)) {}

net::Task<Result<void>> GatewayLink::ensure_open() {
  if (client_ && client_->is_open() && time_.monotonic() - checked_ < kRecheckAfter) co_return Result<void>{};
  client_.reset();
  auto identity = identity_();
  if (!identity) co_return fail(Errc::not_yet, "gateway: no certificate to show yet");
  ServerTarget target{
      .server_name = gateway_, .certificate_name = gateway_, .alpn = "http/1.1", .identity = *std::move(identity)};
  CO_TRY(auto stream, co_await dialer_.connect(std::move(target)));
  client_.emplace(std::move(stream).take(), gateway_.get());
  checked_ = time_.monotonic();
  co_return Result<void>{};
}

net::Task<Result<http::Response>> GatewayLink::send(http::Request request, net::Deadline deadline,
                                                    std::size_t body_limit) {
  const bool was_open = client_ && client_->is_open();
  CO_TRY_VOID(co_await ensure_open());
  http::Request again = request;
  auto response = co_await client_->send(std::move(request), deadline, body_limit);
  if (response || !was_open || response.error().code != Errc::unavailable) co_return response;
  client_.reset();
  CO_TRY_VOID(co_await ensure_open());
  co_return co_await client_->send(std::move(again), deadline, body_limit);
}

milliseconds retry_after(const http::Response& response, milliseconds least, milliseconds most) {
  const std::string_view text = response.headers.get("Retry-After");
  unsigned long number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size()) return least;
  constexpr unsigned long kLongest = 86'400;
  return std::clamp<milliseconds>(seconds(std::min(number, kLongest)), least, most);
}

}  // namespace sallyport::agent
