// For this layer's tests alone: vector files, and grants and hellos to vary.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/text.h"
#include "tunnel/grant.h"

namespace sallyport::tunnel::testing {

struct VectorCase {
  std::string title;
  std::map<std::string, std::string> fields;

  Bytes hex(const std::string& field) const { return codec::decode_hex(fields.at(field)).value(); }
};

// "[title]" lines, each followed by "name = value" lines; '#' begins a comment.
inline std::vector<VectorCase> read_vectors(std::string_view file) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR "/tests/vectors/tunnel/") + std::string(file));
  std::vector<VectorCase> out;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with('[')) {
      out.push_back({.title = line.substr(1, line.size() - 2), .fields = {}});
    } else if (const auto equals = line.find('='); equals != std::string::npos && !line.starts_with('#')) {
      const auto value = line.find_first_not_of(' ', equals + 1);
      const std::string name = line.substr(0, line.find_last_not_of(' ', equals - 1) + 1);
      out.back().fields[name] = value == std::string::npos ? "" : line.substr(value);
    }
  }
  return out;
}

inline const DeviceName kDevice = DeviceName("k3v7q2x5ma");
inline const DnsName kZone = DnsName("devices.localhost");
inline constexpr UnixTime kNow{1'800'000'000};

inline AccessGrant make_grant(std::uint8_t number = 1) {
  AccessGrant grant;
  grant.id = GrantId({number, 2, 3, 4});
  grant.user_id = "u-17";
  grant.user_display = "Erika Mustermann";
  grant.device = kDevice;
  grant.service = ServiceName("web");
  grant.proof_hash.fill(0x5A);
  grant.label = GrantLabel(std::string("abcdefghij23456") + static_cast<char>('a' + number % 26));
  grant.console_origin = "https://console.localhost:8443";
  grant.issued = kNow;
  grant.expires = kNow + seconds(300);
  grant.session_end = kNow + seconds(8 * 3600);
  return grant;
}

inline AccessGrant renewal_of(const AccessGrant& grant, seconds later) {
  AccessGrant next = grant;
  next.renews = grant.session();
  next.id =
      GrantId({0xEE, static_cast<std::uint8_t>(later.count() & 0xFF), static_cast<std::uint8_t>(later.count() >> 8)});
  next.issued = grant.issued + later;
  next.expires = std::min(next.issued + seconds(300), next.session_end);
  return next;
}

}  // namespace sallyport::tunnel::testing
