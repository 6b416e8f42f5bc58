// Tickets: what joins a data connection to a control connection. Given by the relay on the control connection, spent
// once, void when the control session ends. Whoever steals one can deny one connection and learns nothing.
//
//   ticket  := worker_slot u16 | random[30]
//   preface := "SPD1" | ticket                                    (the first 36 bytes that an agent sends on a data
//   connection)
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/strong.h"

namespace sallyport::tunnel {

// The number of a relay worker, fixed at start; the worker that holds the device's control connection.
using WorkerSlot = Strong<std::uint16_t, struct WorkerSlotTag>;

inline constexpr std::size_t kTicketSize = 32;
inline constexpr std::string_view kPrefaceMagic = "SPD1";
inline constexpr std::size_t kPrefaceSize = kPrefaceMagic.size() + kTicketSize;

struct Ticket {
  std::array<std::uint8_t, kTicketSize> bytes{};

  WorkerSlot slot() const;
  friend bool operator==(const Ticket&, const Ticket&) = default;
  friend auto operator<=>(const Ticket&, const Ticket&) = default;
};

// Returns a ticket of `slot` with 240 bits from `random`.
Ticket draw_ticket(WorkerSlot slot, Random& random);

Bytes encode_preface(const Ticket& ticket);
// Reads the preface at the start of `received`, which may go on behind it. Absent: more bytes are needed. Fails with
// Errc::malformed as soon as the bytes cannot become a preface.
Result<std::optional<Ticket>> parse_preface(ByteView received);

}  // namespace sallyport::tunnel

template <>
struct std::hash<sallyport::tunnel::Ticket> {
  std::size_t operator()(const sallyport::tunnel::Ticket& ticket) const {
    std::size_t value = 0;  // the bytes after the slot are random
    std::memcpy(&value, ticket.bytes.data() + 2, sizeof value);
    return value;
  }
};
