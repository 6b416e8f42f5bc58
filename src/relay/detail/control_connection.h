// One control connection: the session and what belongs to it. State of Devices.
#pragma once

#include <memory>
#include <optional>

#include "net/stream.h"
#include "relay/device_check.h"
#include "tunnel/control_session.h"
#include "tunnel/displacement.h"
#include "tunnel/rendezvous.h"

namespace sallyport::relay {

struct ControlConnection {
  ControlConnection(tunnel::SessionId number, net::StreamPtr carrier, DeviceCertificate shown, tunnel::WorkerSlot slot,
                    Random& random, Instant now)
      : id(number), stream(std::move(carrier)), certificate(std::move(shown)), session(slot, random, now) {}

  tunnel::SessionId id;
  net::StreamPtr stream;
  DeviceCertificate certificate;
  tunnel::RelaySession session;
  std::optional<tunnel::Generation> generation;  // once it has said HELLO
  tunnel::BootId boot_id;
  std::string agent_version;
  Instant wake_at{};  // on_tick() is due; Instant{}: not
  Bytes unsent;
  bool writing = false;
  bool retired = false;  // forgotten by everybody; only last words may still leave
  std::uint32_t told_round_trip_ms = 0;
  Instant told_at{};
};

}  // namespace sallyport::relay
