#include "sealed/eva_topics.h"

#include <utility>

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

constexpr std::size_t kMostLevelBytes = 64;
constexpr std::size_t kMostSpaceBytes = 128;
constexpr std::size_t kMostEventBytes = 1024;
constexpr codec::JsonLimits kEventLimits{.size = kMostEventBytes, .depth = 2, .values = 16};

constexpr std::array<std::pair<ControllerType, std::string_view>, 3> kTypes{
    {{ControllerType::uc, "uc"}, {ControllerType::lm, "lm"}, {ControllerType::sfa, "sfa"}}};
constexpr std::array<std::pair<ServerEvent::Kind, std::string_view>, 2> kEvents{
    {{ServerEvent::Kind::restart, "restart"}, {ServerEvent::Kind::leaving, "leaving"}}};

template <class Names, class Value>
std::string_view word_of(const Names& names, Value value) {
  const auto found = std::ranges::find(names, value, [](const auto& entry) { return entry.first; });
  SALLYPORT_CHECK(found != names.end());
  return found->second;
}

template <class Names>
auto value_of(const Names& names, std::string_view word) -> std::optional<typename Names::value_type::first_type> {
  const auto found = std::ranges::find(names, word, [](const auto& entry) { return entry.second; });
  if (found == names.end()) return std::nullopt;
  return found->first;
}

std::string with_space(const Space& space, std::string_view rest) {
  return space.get().empty() ? std::string(rest) : space.get() + "/" + std::string(rest);
}

std::string topic_of(const Space& space, const Controller& controller, std::string_view rest) {
  return with_space(space, "controller/" + to_text(controller) + "/" + std::string(rest));
}

// Takes `beginning` off the front of `text`; false when it is not there.
bool take(std::string_view& text, std::string_view beginning) {
  if (!text.starts_with(beginning)) return false;
  text.remove_prefix(beginning.size());
  return true;
}

}  // namespace

bool is_level(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' ||
           c == '-';
  };
  return !text.empty() && text.size() <= kMostLevelBytes && std::ranges::all_of(text, is_plain);
}

bool are_levels(std::string_view text) {
  while (true) {
    const std::size_t end = text.find('/');
    if (!is_level(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

Result<Space> parse_space(std::string_view text) {
  if (text.size() > kMostSpaceBytes) {
    return failf(Errc::malformed, "space: {} bytes, want at most {}", text.size(), kMostSpaceBytes);
  }
  if (!text.empty() && !are_levels(text)) {
    return fail(Errc::malformed, "space: found another character, want 0-9 A-Z a-z _ . - in each level");
  }
  return Space(std::string(text));
}

std::string to_text(const Controller& controller) {
  return std::string(word_of(kTypes, controller.type)) + "/" + controller.name;
}

Result<Controller> parse_controller(std::string_view text) {
  const std::size_t end = text.find('/');
  if (end == std::string_view::npos) return fail(Errc::malformed, "controller: want type/name");
  const auto type = value_of(kTypes, text.substr(0, end));
  if (!type) return fail(Errc::malformed, "controller: found another type, want uc, lm or sfa");
  const std::string_view name = text.substr(end + 1);
  if (!is_level(name)) return fail(Errc::malformed, "controller: name, want 1 to 64 of 0-9 A-Z a-z _ . -");
  return Controller{.type = *type, .name = std::string(name)};
}

std::string request_topic(const Space& space, const Controller& controller) {
  return topic_of(space, controller, "api/request");
}

std::string response_topic(const Space& space, const Controller& controller, const CallId& call_id) {
  return topic_of(space, controller, "api/response/" + call_id.get());
}

std::string events_topic(const Space& space, const Controller& controller) {
  return topic_of(space, controller, "events");
}

std::string discovery_topic(const Space& space) {
  return with_space(space, "controller/discovery");
}

Result<ControllerTopic> parse_controller_topic(const Space& space, std::string_view topic) {
  std::string_view rest = topic;
  if (!take(rest, with_space(space, "controller/"))) return fail(Errc::malformed, "topic: of no controller");
  const std::size_t type_end = rest.find('/');
  if (type_end == std::string_view::npos) return fail(Errc::malformed, "topic: of no controller");
  const std::size_t name_end = rest.find('/', type_end + 1);
  if (name_end == std::string_view::npos)
    return fail(Errc::malformed, "topic: of a controller, without its last levels");
  ControllerTopic out;
  TRY(out.controller, parse_controller(rest.substr(0, name_end)));
  rest.remove_prefix(name_end + 1);
  if (rest == "api/request") return out;
  if (rest == "events") {
    out.kind = ControllerTopic::Kind::events;
    return out;
  }
  if (!take(rest, "api/response/")) return fail(Errc::malformed, "topic: none that a controller has");
  out.kind = ControllerTopic::Kind::response;
  TRY(CallId call_id, parse_call_id(rest));
  out.call_id = std::move(call_id);
  return out;
}

std::string write_server_event(const ServerEvent& event) {
  return Json(Json::Object{
                  {"e", Json(word_of(kEvents, event.kind))}, {"t", Json(event.time)}, {"c", Json(to_text(event.from))}})
      .write();
}

Result<ServerEvent> parse_server_event(std::string_view payload) {
  TRY(const Json event, codec::parse_json(payload, kEventLimits));
  TRY(const std::string word, event.text_at("e"));
  const auto kind = value_of(kEvents, word);
  if (!kind) return fail(Errc::malformed, "server event: found another, want restart or leaving");
  TRY(const Json time, event.at("t"));
  ServerEvent out{.kind = *kind};
  TRY(out.time, time.number());
  TRY(const std::string from, event.text_at("c"));
  TRY(out.from, parse_controller(from));
  return out;
}

Json write_introduction(const Introduction& introduction) {
  return Json::Object{{"ok", Json(true)},
                      {"product_code", Json(word_of(kTypes, introduction.self.type))},
                      {"system", Json(introduction.self.name)},
                      {"time", Json(introduction.time)},
                      {"version", Json(introduction.version)},
                      {"product_build", Json(introduction.build)}};
}

Result<Introduction> parse_introduction(const Json& result, ControllerType announced) {
  TRY(const bool is_well, result.boolean_at("ok"));
  if (!is_well) return fail(Errc::malformed, "introduction: not ok");
  TRY(const std::string type, result.text_at("product_code"));
  TRY(const std::string name, result.text_at("system"));
  Introduction out;
  TRY(out.self, parse_controller(type + "/" + name));
  if (out.self.type != announced) {
    return failf(Errc::conflict, "introduction: of a {}, want a {}", type, word_of(kTypes, announced));
  }
  TRY(const Json time, result.at("time"));
  TRY(out.time, time.number());
  TRY(out.version, result.text_at("version"));
  TRY(out.build, result.integer_at("product_build"));
  return out;
}

}  // namespace sallyport::sealed::eva
