// The relay's end against a hostile agent, with the rendezvous behind it. No ticket is issued or opened twice, nothing
// is opened before HELLO, and nothing comes after Close.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <variant>
#include <vector>

#include "tunnel/control_session.h"

using namespace sallyport;

namespace {

struct Watch {
  std::set<tunnel::Ticket> issued, opened;
  std::vector<tunnel::Ticket> free;
  bool hello = false, closed = false;

  void see(const tunnel::RelayActions& actions) {
    for (const auto& action : actions) {
      if (closed) std::abort();
      if (const auto* tickets = std::get_if<tunnel::TicketsIssued>(&action)) {
        for (const auto& ticket : tickets->tickets) {
          if (!hello || !issued.insert(ticket).second) std::abort();
          free.push_back(ticket);
        }
      }
      if (const auto* send = std::get_if<tunnel::SendBytes>(&action)) {
        const auto frame = tunnel::parse_frame(send->bytes);
        if (!frame) std::abort();
        if (const auto* open = std::get_if<tunnel::OpenFrame>(&*frame)) {
          if (!hello || !issued.contains(open->ticket) || !opened.insert(open->ticket).second) std::abort();
        }
      }
      if (const auto* refused = std::get_if<tunnel::OpenRefused>(&action)) {
        if (!opened.contains(refused->ticket)) std::abort();
      }
      hello = hello || std::holds_alternative<tunnel::HelloReceived>(action);
      closed = std::holds_alternative<tunnel::Close>(action);
    }
  }
  void see(const Result<tunnel::RelayActions>& actions) {
    if (actions) see(*actions);
  }
};

}  // namespace

// schedule := (command u8 | what it needs)*
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader reader(ByteView(data, size));
  SeededRandom random(1);
  Instant now{hours(1)};
  tunnel::RelaySession relay(tunnel::WorkerSlot(2), random, now);
  Watch watch;
  while (reader.remaining() > 0) {
    const std::uint8_t command = *reader.u8();
    switch (command % 8) {
      case 0: {
        const auto chunk = reader.bytes_u16();
        watch.see(relay.on_bytes(chunk ? *chunk : reader.rest(), now));
        if (!chunk) return 0;
        break;
      }
      case 1:
        now += milliseconds(command * 40);
        watch.see(relay.on_tick(now));
        break;
      case 2:
        watch.see(relay.admit(now));
        break;
      case 3:
        if (watch.free.empty()) break;
        watch.see(relay.open({.ticket = watch.free[command % watch.free.size()],
                              .sealed_grant = {1},
                              .client_address = "192.0.2.1",
                              .service = ServiceName("web")},
                             now));
        break;
      case 4:
        if (!watch.free.empty()) watch.see(relay.ticket_lost(watch.free[command % watch.free.size()], now));
        break;
      case 5:
        watch.see(relay.probe(now));
        break;
      case 6:
        if (!watch.free.empty()) relay.settled(watch.free[command % watch.free.size()]);
        break;
      default:
        if (command > 240) watch.see(relay.send_away(tunnel::GoAwayReason::restarting, milliseconds(command), now));
        break;
    }
  }
  return 0;
}
