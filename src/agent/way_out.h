// How connections leave the device: directly, or through an HTTP proxy (RFC 9110 §9.3.6).
#pragma once

#include "agent/settings.h"
#include "net/stream.h"

namespace sallyport::agent {

// An immutable value.
class WayOut {
 public:
  explicit WayOut(const Settings& settings)
      : relay_(settings.relay_address),
        http_(settings.http_address),
        second_status_(settings.second_status),
        proxy_(settings.proxy),
        from_(settings.connect_from) {}

  // TCP to the installation's TLS port, and to its plain one. Errors name address and cause.
  net::Task<Result<net::StreamPtr>> dial_relay(net::Deadline deadline) const { return dial(relay_, deadline); }
  net::Task<Result<net::StreamPtr>> dial_http(net::Deadline deadline) const { return dial(http_, deadline); }
  // TCP to the second status host; there must be one.
  net::Task<Result<net::StreamPtr>> dial_second_status(net::Deadline deadline) const {
    SALLYPORT_CHECK(has_second_status());
    return dial(*second_status_, deadline);
  }
  bool has_second_status() const { return second_status_.has_value(); }
  const net::Address& relay() const { return relay_; }

 private:
  net::Task<Result<net::StreamPtr>> dial(net::Address address, net::Deadline deadline) const;

  net::Address relay_;
  net::Address http_;
  std::optional<net::Address> second_status_;
  std::optional<net::Address> proxy_;
  std::string from_;
};

}  // namespace sallyport::agent
