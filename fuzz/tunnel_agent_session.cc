// The agent's end against a hostile relay: a schedule of bytes, time and local events. No more OPENs are served than
// tickets were given, and nothing comes after Close.
#include <cstdint>
#include <cstdlib>
#include <variant>

#include "tunnel/control_session.h"

using namespace sallyport;

namespace {

struct Watch {
  tunnel::FrameDecoder mirror;
  std::size_t given = 0, served = 0;
  bool closed = false;

  void hear(ByteView bytes) {
    mirror.push(bytes);
    for (auto frame = mirror.next(); frame && *frame; frame = mirror.next()) {
      if (const auto* tickets = std::get_if<tunnel::TicketsFrame>(&**frame)) given += tickets->tickets.size();
    }
  }

  void see(const tunnel::AgentActions& actions) {
    if (closed && !actions.empty()) std::abort();
    for (const auto& action : actions) {
      if (closed) std::abort();
      if (std::holds_alternative<tunnel::OpenAsked>(action) && ++served > given) std::abort();
      if (const auto* send = std::get_if<tunnel::SendBytes>(&action)) {
        if (!tunnel::parse_frame(send->bytes)) std::abort();
      }
      closed = std::holds_alternative<tunnel::Close>(action);
    }
  }
};

}  // namespace

// schedule := (command u8 | what it needs)*
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader reader(ByteView(data, size));
  tunnel::PingInterval interval;
  const std::vector<tunnel::Service> services = {{.name = ServiceName("web"), .kind = tunnel::ServiceKind::http}};
  tunnel::AgentSession agent({.boot_id = {}, .agent_version = "fuzz", .remote_access = true, .services = services},
                             interval);
  Watch watch;
  Instant now{hours(1)};
  watch.see(agent.start(now));
  while (reader.remaining() > 0) {
    const std::uint8_t command = *reader.u8();
    switch (command % 5) {
      case 0: {
        const auto chunk = reader.bytes_u16();
        const ByteView bytes = chunk ? *chunk : reader.rest();
        watch.hear(bytes);
        watch.see(agent.on_bytes(bytes, now));
        if (!chunk) return 0;
        break;
      }
      case 1:
        now += milliseconds(command * 40);
        watch.see(agent.on_tick(now));
        break;
      case 2:
        watch.see(agent.status_changed(command > 127, services, now));
        break;
      case 3:
        if (auto ticket = agent.take_ticket(); ticket && command > 127) agent.ready_lost(*ticket);
        break;
      default:
        watch.see(agent.refuse({}, tunnel::RefuseCode::busy, now));
        break;
    }
    if (agent.state() == tunnel::AgentState::closed) return 0;
  }
  return 0;
}
