// Topics of EVA ICS v3, and what its controllers tell of themselves. Everything here travels in clear and is signed by
// nobody: an announce or an event is a hint to look, never a reason to act; who has the key is shown by the answer to a
// call.
//
//   <space>/controller/<type>/<name>/api/request              QoS 1, not retained
//   <space>/controller/<type>/<name>/api/response/<call id>
//   <space>/controller/<type>/<name>/events                   {"e":"restart"|"leaving","t":…,"c":"<type>/<name>"}
//   <space>/controller/discovery                              <type>/<name>
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "sealed/eva_text.h"

namespace sallyport::sealed::eva {

// The two clocks, as they are read together: civil time for what a peer wrote, the other for how long something lasts.
struct Moment {
  UnixTime civil;
  Instant steady;
};

// To be sent with QoS 1, never retained.
struct Publish {
  std::string topic;
  Bytes payload;
};

// No levels, or some that have the grammar of names: 128 bytes at most. Topics of one space begin with it and a '/'.
using Space = Strong<std::string, struct EvaSpaceTag>;
Result<Space> parse_space(std::string_view text);

// What EVA calls a controller: ours is announced as one of its types too.
enum class ControllerType : std::uint8_t { uc, lm, sfa };

struct Controller {
  ControllerType type = ControllerType::uc;
  std::string name;  // 1 to 64 of 0-9 A-Z a-z _ . -

  friend auto operator<=>(const Controller&, const Controller&) = default;
};

// "uc/plant1": an announce's payload too.
std::string to_text(const Controller& controller);
Result<Controller> parse_controller(std::string_view text);

std::string request_topic(const Space& space, const Controller& controller);
std::string response_topic(const Space& space, const Controller& controller, const CallId& call_id);
std::string events_topic(const Space& space, const Controller& controller);
std::string discovery_topic(const Space& space);

// A topic of a controller, of any: for who subscribes with wildcards.
struct ControllerTopic {
  enum class Kind : std::uint8_t { request, response, events };

  Controller controller;
  Kind kind = Kind::request;
  std::optional<CallId> call_id;  // of a response
};
// Errc::malformed for every other topic.
Result<ControllerTopic> parse_controller_topic(const Space& space, std::string_view topic);

struct ServerEvent {
  enum class Kind : std::uint8_t { restart, leaving };

  Kind kind = Kind::restart;
  double time = 0;  // seconds since 1970
  Controller from;
};

std::string write_server_event(const ServerEvent& event);
Result<ServerEvent> parse_server_event(std::string_view payload);

// What a controller says of itself when it is asked `test`. It came sealed, so this, unlike an announce, is known to be
// of somebody who has the key: by which two pair that never met, with the key named "default".
struct Introduction {
  Controller self;
  double time = 0;  // seconds since 1970
  std::string version;
  std::int64_t build = 0;

  friend bool operator==(const Introduction&, const Introduction&) = default;
};

codec::Json write_introduction(const Introduction& introduction);
// Errc::conflict when it is of another type than the announce had it.
Result<Introduction> parse_introduction(const codec::Json& result, ControllerType announced);

// Whether `text` is one level of a topic, or '/'-parted several of them, that no wildcard or control character is in:
// 0-9 A-Z a-z _ . - in each, 1 to 64 of them.
bool is_level(std::string_view text);
bool are_levels(std::string_view text);

}  // namespace sallyport::sealed::eva
