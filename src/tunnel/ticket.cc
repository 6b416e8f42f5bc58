#include "tunnel/ticket.h"

#include <algorithm>

namespace sallyport::tunnel {

WorkerSlot Ticket::slot() const {
  return WorkerSlot(static_cast<std::uint16_t>((unsigned{bytes[0]} << 8U) | bytes[1]));
}

Ticket draw_ticket(WorkerSlot slot, Random& random) {
  Ticket ticket{.bytes = random.array<kTicketSize>()};
  ticket.bytes[0] = static_cast<std::uint8_t>(slot.get() >> 8U);
  ticket.bytes[1] = static_cast<std::uint8_t>(slot.get() & 0xFFU);
  return ticket;
}

Bytes encode_preface(const Ticket& ticket) {
  Writer writer;
  writer.text(kPrefaceMagic).bytes(ticket.bytes);
  return std::move(writer).take();
}

Result<std::optional<Ticket>> parse_preface(ByteView received) {
  const std::string_view magic = as_text(received.first(std::min(received.size(), kPrefaceMagic.size())));
  if (!kPrefaceMagic.starts_with(magic)) return fail(Errc::malformed, "preface: other magic, want SPD1");
  if (received.size() < kPrefaceSize) return std::nullopt;
  Ticket ticket;
  std::ranges::copy(received.subspan(kPrefaceMagic.size(), kTicketSize), ticket.bytes.begin());
  return ticket;
}

}  // namespace sallyport::tunnel
