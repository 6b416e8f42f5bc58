// The role `gateway`: devices speak to it over mutual TLS: enrolment (RFC 7030,
// docs/protocol/enrolment.md), telemetry, claim codes.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "net/listener.h"
#include "rolelink/role_link.h"
#include "telemetry/sink.h"

namespace sallyport::gateway {

struct Settings {
  rolelink::Settings link;
  DnsName zone;
  std::string console_origin;       // told to devices, so that they know where they are claimed
  std::uint16_t public_port = 443;  // told to devices: it is in the Host and Origin of every browser that comes to them
  std::set<uid_t> givers;           // who may hand connections over: the relay
  std::set<uid_t> askers;           // who may read telemetry: the console, the command line
};

// One thread. Borrows clock, random and sink for its lifetime.
class Gateway {
 public:
  Gateway(net::Executor executor, const Clock& clock, Random& random, telemetry::TelemetrySink& sink,
          Settings settings);
  ~Gateway();

  // Serves the connections that the relay hands over, until the listener is closed.
  net::Task<void> serve_devices(net::Listener& listener);
  // Answers who may read what devices sent: requests and answers are JSON (docs/api/openapi.yaml, Telemetry).
  net::Task<void> serve_readers(net::Listener& listener);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::gateway
