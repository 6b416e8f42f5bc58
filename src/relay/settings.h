// What a relay worker is told when it starts.
#pragma once

#include <cstdint>
#include <string>

#include "base/names.h"
#include "net/descriptor.h"
#include "net/stream.h"
#include "pki/certificate.h"
#include "relay/limits.h"
#include "tunnel/admission.h"
#include "tunnel/limits.h"
#include "tunnel/ticket.h"

namespace sallyport::relay {

struct Settings {
  DnsName zone;
  DnsName console_name;
  tunnel::WorkerSlot slot;
  std::uint16_t workers = 1;        // fixed while any of them runs: devices belong to hash(name) % workers
  std::uint16_t public_port = 443;  // of https, for redirects
  std::string run_folder;           // authority.sock, gateway.sock, console.sock, status.sock, worker-N.sock
  pki::Certificate root;
  std::vector<pki::Certificate> older_roots = {};  // that are still trusted beside it, newest first
  tunnel::ConnectionCapLimits caps{};
  tunnel::AimdLimits handshakes{};
  milliseconds first_flight = tunnel::kFirstFlightDeadline;
  std::size_t pipes = kPipes;
  std::size_t pipe_bytes = kPipeBytes;
  bool succeeds = false;  // a process of this slot is still there, and leaves when this one is ready
  milliseconds succession = kSuccession;
  milliseconds leave_limit = kLeaveLimit;
};

// Bound and listening sockets. The two public ones are shared by the workers.
struct Listeners {
  net::Descriptor public_tls;
  net::Descriptor public_http;  // may be absent
  net::Descriptor peers;        // run/worker-N.sock of this slot
  net::Descriptor succession;   // run/succession-N.sock of this slot; may be absent: nobody can succeed
  net::Descriptor resumption;   // make_resumption_memory(), shared by the workers; may be absent
};

// Where the socket of a role or worker is.
std::string role_socket(const Settings& settings, std::string_view role);
std::string worker_socket(const Settings& settings, tunnel::WorkerSlot slot);
// On which a worker hears that another process takes over its slot.
std::string succession_socket(const Settings& settings);

}  // namespace sallyport::relay
