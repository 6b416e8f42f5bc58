#include "tunnel/frames.h"

#include <algorithm>

namespace sallyport::tunnel {
namespace {

constexpr std::size_t kFrameHeader = 4;
constexpr std::uint8_t kRemoteAccessFlag = 1;
constexpr std::uint32_t kRoundTripUnknown = 0xFFFF'FFFF;

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

// Digits, letters of hexadecimal, and what stands between them in "192.0.2.1:443" and "[2001:db8::1]:443".
bool is_address_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '.' || c == ':' || c == '[' || c == ']';
  });
}

// The value of an enum whose enumerators are 1 to `last`.
template <class Enum>
Result<Enum> parse_enum(std::uint8_t value, Enum last, std::string_view what) {
  if (value == 0 || value > static_cast<std::uint8_t>(last))
    return failf(Errc::malformed, "{}: {}, want 1 to {}", what, value, static_cast<unsigned>(last));
  return static_cast<Enum>(value);
}

Result<ServiceName> parse_name(Reader& reader) {
  TRY(auto text, reader.bytes_u8());
  return parse_service_name(as_text(text));
}

Result<Ticket> parse_ticket(Reader& reader) {
  TRY(auto bytes, reader.array<kTicketSize>());
  return Ticket{.bytes = bytes};
}

Result<Bytes> parse_sealed(Reader& reader) {
  TRY(auto sealed, reader.bytes_u16());
  if (sealed.empty() || sealed.size() > kMaxSealedGrant)
    return failf(Errc::malformed, "sealed grant: {} bytes, want 1 to {}", sealed.size(), kMaxSealedGrant);
  return to_bytes(sealed);
}

// switch u8 (0 or 1)
Result<bool> parse_switch(Reader& reader) {
  TRY(auto flags, reader.u8());
  if (flags > kRemoteAccessFlag) return failf(Errc::malformed, "switch: {}, want 0 or 1", flags);
  return flags == kRemoteAccessFlag;
}

// count u8 | count × (name u8 bytes | kind u8)
Result<std::vector<Service>> parse_services(Reader& reader) {
  TRY(auto count, reader.u8());
  if (count > kMaxServices) return failf(Errc::malformed, "services: {}, want at most {}", count, kMaxServices);
  std::vector<Service> out;
  for (unsigned i = 0; i < count; ++i) {
    TRY(auto name, parse_name(reader));
    TRY(auto raw_kind, reader.u8());
    TRY(auto kind, parse_enum(raw_kind, ServiceKind::tls, "service kind"));
    if (std::ranges::find(out, name, &Service::name) != out.end())
      return fail(Errc::malformed, "services: one name twice");
    out.push_back({.name = std::move(name), .kind = kind});
  }
  return out;
}

// hello := version u16 | boot_id[16] | switch u8 | agent_version u8 bytes | services
Result<Frame> parse_hello(Reader& reader) {
  HelloFrame hello;
  TRY(hello.version, reader.u16());
  TRY(auto boot_id, reader.array<16>());
  hello.boot_id = BootId(boot_id);
  TRY(hello.remote_access, parse_switch(reader));
  TRY(auto agent_version, reader.bytes_u8());
  if (agent_version.empty() || agent_version.size() > kMaxVersionText || !is_printable(as_text(agent_version)))
    return failf(Errc::malformed, "hello: agent version, want 1 to {} printable characters", kMaxVersionText);
  hello.agent_version = as_text(agent_version);
  TRY(hello.services, parse_services(reader));
  return hello;
}

// tickets := count u8 | count × ticket
Result<Frame> parse_tickets(Reader& reader) {
  TRY(auto count, reader.u8());
  if (count == 0 || count > kMaxTicketsPerFrame)
    return failf(Errc::malformed, "tickets: {}, want 1 to {}", count, kMaxTicketsPerFrame);
  TicketsFrame out;
  for (unsigned i = 0; i < count; ++i) {
    TRY(auto ticket, parse_ticket(reader));
    if (std::ranges::find(out.tickets, ticket) != out.tickets.end())
      return fail(Errc::malformed, "tickets: one ticket twice");
    out.tickets.push_back(ticket);
  }
  return out;
}

// open := ticket | sealed_grant u16 bytes | client_address u8 bytes | service u8 bytes
Result<Frame> parse_open(Reader& reader) {
  OpenFrame open;
  TRY(open.ticket, parse_ticket(reader));
  TRY(open.sealed_grant, parse_sealed(reader));
  TRY(auto address, reader.bytes_u8());
  if (address.size() > kMaxClientAddressText || !is_address_text(as_text(address)))
    return failf(Errc::malformed, "open: client address, want an address of at most {} characters",
                 kMaxClientAddressText);
  open.client_address = as_text(address);
  TRY(open.service, parse_name(reader));
  return open;
}

Result<Frame> parse_grant_frame(Reader& reader) {
  TRY(auto sealed, parse_sealed(reader));
  return GrantFrame{.sealed_grant = std::move(sealed)};
}

// refuse := ticket | code u8
Result<Frame> parse_refuse(Reader& reader) {
  TRY(auto ticket, parse_ticket(reader));
  TRY(auto raw_code, reader.u8());
  TRY(auto code, parse_enum(raw_code, RefuseCode::dial_failed, "refuse code"));
  return RefuseFrame{.ticket = ticket, .code = code};
}

// ping := token u32 | interval u16 (s) | round_trip u32 (µs, 2^32−1: unknown)
Result<Frame> parse_ping(Reader& reader) {
  PingFrame ping;
  TRY(ping.token, reader.u32());
  TRY(ping.interval_s, reader.u16());
  if (ping.interval_s != 0 &&
      (seconds(ping.interval_s) < kMinPingInterval || seconds(ping.interval_s) > kMaxPingInterval))
    return failf(Errc::malformed, "ping: interval {} s, want 0 or {} to {}", ping.interval_s, kMinPingInterval.count(),
                 kMaxPingInterval.count());
  TRY(auto round_trip, reader.u32());
  if (round_trip != kRoundTripUnknown) ping.round_trip_us = round_trip;
  return ping;
}

Result<Frame> parse_pong(Reader& reader) {
  TRY(auto token, reader.u32());
  return PongFrame{.token = token};
}

Result<Frame> parse_cut(Reader& reader) {
  TRY(auto session, reader.array<kGrantIdSize>());
  return CutFrame{.session = GrantId(session)};
}

// go_away := reason u8 | come_back_in u32 (ms)
Result<Frame> parse_go_away(Reader& reader) {
  TRY(auto raw_reason, reader.u8());
  TRY(auto reason, parse_enum(raw_reason, GoAwayReason::not_admitted, "go-away reason"));
  TRY(auto delay, reader.u32());
  if (milliseconds(delay) > kMaxComeBackIn)
    return failf(Errc::malformed, "go-away: come back in {} ms, want at most {}", delay, kMaxComeBackIn.count());
  return GoAwayFrame{.reason = reason, .come_back_in = milliseconds(delay)};
}

// status := switch u8 | services
Result<Frame> parse_status(Reader& reader) {
  TRY(auto remote_access, parse_switch(reader));
  TRY(auto services, parse_services(reader));
  return StatusFrame{.remote_access = remote_access, .services = std::move(services)};
}

// resumption := identity u16 bytes
Result<Frame> parse_resumption(Reader& reader) {
  TRY(auto identity, reader.bytes_u16());
  if (identity.empty() || identity.size() > kMaxResumptionIdentity)
    return failf(Errc::malformed, "resumption: identity of {} bytes, want 1 to {}", identity.size(),
                 kMaxResumptionIdentity);
  return ResumptionFrame{.identity = to_bytes(identity)};
}

void encode_services(Writer& writer, const std::vector<Service>& services) {
  SALLYPORT_CHECK(services.size() <= kMaxServices);
  writer.u8(static_cast<std::uint8_t>(services.size()));
  for (const Service& service : services)
    writer.bytes_u8(as_bytes(service.name.get())).u8(static_cast<std::uint8_t>(service.kind));
}

void encode_sealed(Writer& writer, ByteView sealed) {
  SALLYPORT_CHECK(!sealed.empty() && sealed.size() <= kMaxSealedGrant);
  writer.bytes_u16(sealed);
}

struct PayloadEncoder {
  Writer& writer;

  void operator()(const HelloFrame& frame) const {
    SALLYPORT_CHECK(!frame.agent_version.empty() && frame.agent_version.size() <= kMaxVersionText);
    writer.u16(frame.version).bytes(frame.boot_id.get()).u8(frame.remote_access ? kRemoteAccessFlag : 0);
    writer.bytes_u8(as_bytes(frame.agent_version));
    encode_services(writer, frame.services);
  }
  void operator()(const TicketsFrame& frame) const {
    SALLYPORT_CHECK(!frame.tickets.empty() && frame.tickets.size() <= kMaxTicketsPerFrame);
    writer.u8(static_cast<std::uint8_t>(frame.tickets.size()));
    for (const Ticket& ticket : frame.tickets) writer.bytes(ticket.bytes);
  }
  void operator()(const OpenFrame& frame) const {
    SALLYPORT_CHECK(frame.client_address.size() <= kMaxClientAddressText);
    writer.bytes(frame.ticket.bytes);
    encode_sealed(writer, frame.sealed_grant);
    writer.bytes_u8(as_bytes(frame.client_address)).bytes_u8(as_bytes(frame.service.get()));
  }
  void operator()(const GrantFrame& frame) const { encode_sealed(writer, frame.sealed_grant); }
  void operator()(const RefuseFrame& frame) const {
    writer.bytes(frame.ticket.bytes).u8(static_cast<std::uint8_t>(frame.code));
  }
  void operator()(const PingFrame& frame) const {
    writer.u32(frame.token).u16(frame.interval_s).u32(frame.round_trip_us.value_or(kRoundTripUnknown));
  }
  void operator()(const PongFrame& frame) const { writer.u32(frame.token); }
  void operator()(const CutFrame& frame) const { writer.bytes(frame.session.get()); }
  void operator()(const GoAwayFrame& frame) const {
    const milliseconds delay = std::clamp(frame.come_back_in, milliseconds(0), kMaxComeBackIn);
    writer.u8(static_cast<std::uint8_t>(frame.reason)).u32(static_cast<std::uint32_t>(delay.count()));
  }
  void operator()(const StatusFrame& frame) const {
    writer.u8(frame.remote_access ? kRemoteAccessFlag : 0);
    encode_services(writer, frame.services);
  }
  void operator()(const ResumptionFrame& frame) const {
    SALLYPORT_CHECK(!frame.identity.empty() && frame.identity.size() <= kMaxResumptionIdentity);
    writer.bytes_u16(frame.identity);
  }
};

Result<Frame> parse_fields(FrameType type, Reader& reader) {
  switch (type) {
    case FrameType::hello:
      return parse_hello(reader);
    case FrameType::tickets:
      return parse_tickets(reader);
    case FrameType::open:
      return parse_open(reader);
    case FrameType::grant:
      return parse_grant_frame(reader);
    case FrameType::refuse:
      return parse_refuse(reader);
    case FrameType::ping:
      return parse_ping(reader);
    case FrameType::pong:
      return parse_pong(reader);
    case FrameType::cut:
      return parse_cut(reader);
    case FrameType::go_away:
      return parse_go_away(reader);
    case FrameType::status:
      return parse_status(reader);
    case FrameType::resumption:
      return parse_resumption(reader);
  }
  return failf(Errc::malformed, "frame: type {}, want 1 to 11", static_cast<unsigned>(type));
}

}  // namespace

std::string_view to_string(FrameType type) {
  switch (type) {
    case FrameType::hello:
      return "HELLO";
    case FrameType::tickets:
      return "TICKETS";
    case FrameType::open:
      return "OPEN";
    case FrameType::grant:
      return "GRANT";
    case FrameType::refuse:
      return "REFUSE";
    case FrameType::ping:
      return "PING";
    case FrameType::pong:
      return "PONG";
    case FrameType::cut:
      return "CUT";
    case FrameType::go_away:
      return "GOAWAY";
    case FrameType::status:
      return "STATUS";
    case FrameType::resumption:
      return "RESUMPTION";
  }
  return "unknown";
}

std::string_view to_string(RefuseCode code) {
  switch (code) {
    case RefuseCode::unknown_ticket:
      return "unknown_ticket";
    case RefuseCode::grant_invalid:
      return "grant_invalid";
    case RefuseCode::grant_expired:
      return "grant_expired";
    case RefuseCode::no_such_service:
      return "no_such_service";
    case RefuseCode::remote_access_off:
      return "remote_access_off";
    case RefuseCode::consent_denied:
      return "consent_denied";
    case RefuseCode::service_down:
      return "service_down";
    case RefuseCode::busy:
      return "busy";
    case RefuseCode::dial_failed:
      return "dial_failed";
  }
  return "unknown";
}

std::string_view to_string(GoAwayReason reason) {
  switch (reason) {
    case GoAwayReason::restarting:
      return "restarting";
    case GoAwayReason::overloaded:
      return "overloaded";
    case GoAwayReason::displaced:
      return "displaced";
    case GoAwayReason::version:
      return "version";
    case GoAwayReason::violation:
      return "violation";
    case GoAwayReason::clone:
      return "clone";
    case GoAwayReason::not_admitted:
      return "not_admitted";
  }
  return "unknown";
}

FrameType type_of(const Frame& frame) {
  return static_cast<FrameType>(frame.index() + 1);
}
static_assert(std::variant_size_v<Frame> == static_cast<std::size_t>(FrameType::resumption));

Bytes encode_frame(const Frame& frame) {
  Writer payload;
  std::visit(PayloadEncoder{payload}, frame);
  SALLYPORT_CHECK(payload.size() <= kMaxFramePayload);
  Writer writer;
  writer.u8(static_cast<std::uint8_t>(type_of(frame))).bytes_u24(payload.view());
  return std::move(writer).take();
}

Result<Frame> parse_payload(std::uint8_t type, ByteView payload) {
  Reader reader(payload);
  TRY(auto frame, parse_fields(static_cast<FrameType>(type), reader));
  TRY_VOID(reader.finish(to_string(static_cast<FrameType>(type))));
  return frame;
}

Result<Frame> parse_frame(ByteView bytes) {
  Reader reader(bytes);
  TRY(auto type, reader.u8());
  TRY(auto payload, reader.bytes_u24());
  TRY_VOID(reader.finish("frame"));
  if (payload.size() > kMaxFramePayload)
    return failf(Errc::malformed, "frame: {} bytes, want at most {}", payload.size(), kMaxFramePayload);
  return parse_payload(type, payload);
}

void FrameDecoder::push(ByteView bytes) {
  if (!lost_) append(buffer_, bytes);
}

void FrameDecoder::release() {
  if (start_ == buffer_.size()) {
    Bytes().swap(buffer_);
  } else {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
  }
  start_ = 0;
}

Result<std::optional<Frame>> FrameDecoder::next() {
  if (lost_) return std::unexpected(*lost_);
  const auto lose = [this](Error error) {
    lost_ = std::move(error);
    Bytes().swap(buffer_);
    start_ = 0;
    return std::unexpected(*lost_);
  };
  const ByteView rest = ByteView(buffer_).subspan(start_);
  if (rest.size() < kFrameHeader) {
    release();
    return std::nullopt;
  }
  const std::size_t length = (std::size_t{rest[1]} << 16U) | (std::size_t{rest[2]} << 8U) | rest[3];
  if (length > kMaxFramePayload)
    return lose({Errc::malformed, fmt::format("frame: {} bytes, want at most {}", length, kMaxFramePayload)});
  if (rest.size() - kFrameHeader < length) {
    release();
    return std::nullopt;
  }
  auto frame = parse_payload(rest[0], rest.subspan(kFrameHeader, length));
  if (!frame) return lose(std::move(frame).error());
  start_ += kFrameHeader + length;
  return *std::move(frame);
}

}  // namespace sallyport::tunnel
