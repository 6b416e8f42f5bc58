// Properties of MQTT 5 (§2.2.2).
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace sallyport::mqtt {

enum class Property : std::uint8_t {
  payload_format = 0x01,
  message_expiry = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_id = 0x0b,
  session_expiry = 0x11,
  assigned_client_id = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  response_information = 0x1a,
  server_reference = 0x1c,
  reason = 0x1f,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet = 0x27,
  wildcards_available = 0x28,
  subscription_ids_available = 0x29,
  shared_available = 0x2a,
};

// A set of properties: those that a packet may have.
class PropertySet {
 public:
  template <class... Members>
  constexpr explicit PropertySet(Members... members) : bits_(((std::uint64_t{1} << bit(members)) | ...)) {}
  constexpr bool has(Property member) const { return ((bits_ >> bit(member)) & 1U) != 0; }

 private:
  static constexpr unsigned bit(Property member) { return static_cast<unsigned>(member); }
  std::uint64_t bits_;
};

// What of it we look at, as it stands when nothing is told.
struct Properties {
  std::uint16_t receive_maximum = 65'535;
  std::uint16_t server_keep_alive = 0;
  bool has_server_keep_alive = false;
  std::uint32_t maximum_packet = 0;
  std::uint8_t maximum_qos = 1;
  std::uint8_t retain_available = 1;
  bool has_topic_alias = false;
  std::string reason;  // cut at kMaxReasonBytes
};

// Reads a variable byte integer in its shortest form.
Result<std::uint32_t> read_length(Reader& in);
// Reads the length and the properties after it. Errc::malformed: one that is unknown, is not in `allowed`, comes twice
// (but the user's own and, in a PUBLISH, subscription identifiers), or has a value that its meaning excludes.
Result<Properties> read_properties(Reader& in, const PropertySet& allowed);

}  // namespace sallyport::mqtt
