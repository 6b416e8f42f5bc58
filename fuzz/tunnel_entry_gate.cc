// The entry gate: whatever the request, nothing is forwarded without the cookie, and what is forwarded holds nothing
// that is the gate's own. The input is a request head as text, an empty line, and a body.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tunnel/entry_gate.h"

using namespace sallyport;

namespace {

const UnixTime kNow{1'800'000'000};

tunnel::AccessGrant live_grant() {
  tunnel::AccessGrant grant;
  grant.user_id = "u";
  grant.device = DeviceName("k3v7q2x5ma");
  grant.service = ServiceName("web");
  grant.label = GrantLabel("abcdefghij234567");
  grant.console_origin = "https://console.localhost:8443";
  grant.issued = kNow;
  grant.expires = kNow + seconds(300);
  grant.session_end = kNow + seconds(3'600);
  // SHA-256 of 32 zero bytes: an input may find the secret, so that entry is fuzzed too.
  grant.proof_hash = {0x66, 0x68, 0x7A, 0xAD, 0xF8, 0x62, 0xBD, 0x77, 0x6C, 0x8F, 0xC1, 0x8B, 0x8E, 0x9F, 0x8E, 0x20,
                      0x08, 0x97, 0x14, 0x85, 0x6E, 0xE2, 0x33, 0xB3, 0x90, 0x2A, 0x59, 0x1D, 0x0D, 0x5F, 0x29, 0x25};
  return grant;
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

tunnel::RequestHead read_head(std::string_view& text) {
  tunnel::RequestHead head;
  std::string_view line = take_line(text);
  const auto space = line.find(' ');
  head.method = line.substr(0, space);
  head.target = space == std::string_view::npos ? "" : line.substr(space + 1);
  for (line = take_line(text); !line.empty(); line = take_line(text)) {
    const auto colon = line.find(':');
    head.headers.push_back({std::string(line.substr(0, colon)),
                            colon == std::string_view::npos ? "" : std::string(line.substr(colon + 1))});
  }
  return head;
}

bool contains(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  tunnel::RequestHead head = read_head(text);
  const DnsName zone("devices.localhost");
  const tunnel::AccessGrant grant = live_grant();
  const DnsName name = tunnel::grant_host(grant, zone);
  tunnel::LiveGrants live(grant.device, zone);
  SeededRandom random(1);
  tunnel::EntryGate gate(live, random, {.public_port = 8443});
  if (!live.admit(grant, kNow)) std::abort();
  if (std::holds_alternative<tunnel::GateForward>(gate.decide(name, head, as_bytes(text), kNow))) std::abort();

  // The same request again, from whoever entered: with the cookie appended.
  tunnel::RequestHead entry{.method = "POST",
                            .target = std::string(tunnel::kEntryPath),
                            .headers = {{"Host", name.get() + ":8443"},
                                        {"Origin", grant.console_origin},
                                        {"Content-Type", "application/x-www-form-urlencoded"}}};
  const auto entered = gate.decide(name, entry, as_bytes("secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), kNow);
  const auto* answer = std::get_if<tunnel::GateAnswer>(&entered);
  if (answer == nullptr) return 0;  // the input entered first: once is once
  const std::string cookie = answer->headers.back().value.substr(0, answer->headers.back().value.find(';'));
  if (contains(std::string(reinterpret_cast<const char*>(data), size), cookie)) return 0;  // a coverage-guided guess
  head.headers.push_back({"Cookie", cookie});
  const auto decision = gate.decide(name, head, as_bytes(text), kNow);
  if (const auto* forward = std::get_if<tunnel::GateForward>(&decision)) {
    for (const auto& header : forward->headers) {
      if (contains(header.value, cookie)) std::abort();
      if (header.name.starts_with("X-Forwarded-") || header.name == "Forwarded") std::abort();
    }
  }
  for (const auto policy : {tunnel::CookiePolicy::held, tunnel::CookiePolicy::scripted}) {
    for (const auto& header : tunnel::EntryGate::rewrite_response(head.headers, policy)) {
      if (header.name == "Set-Cookie" && header.value.starts_with(tunnel::kSessionCookie)) std::abort();
    }
  }
  return 0;
}
