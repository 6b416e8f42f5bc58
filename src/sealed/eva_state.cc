#include "sealed/eva_state.h"

#include <utility>

#include "codec/msgpack.h"
#include "codec/zlib.h"

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

constexpr std::size_t kMostGroupBytes = 128;
constexpr std::size_t kMostStateBytes = 64U << 10U;
constexpr codec::JsonLimits kStateLimits{.size = kMostStateBytes, .depth = 4, .values = 256};
// A group may have levels, so nothing else tells "<item>/status" from an item "status" of a longer group.
constexpr std::array<std::string_view, 4> kOtherLastLevels{"status", "value", "control", "action"};
constexpr std::uint8_t kPackedBulk = 0x03;

constexpr std::array<std::pair<ItemType, std::string_view>, 3> kItemTypes{
    {{ItemType::unit, "unit"}, {ItemType::sensor, "sensor"}, {ItemType::lvar, "lvar"}}};

std::string_view name_of(ItemType type) {
  return std::ranges::find(kItemTypes, type, [](const auto& entry) { return entry.first; })->second;
}

// `separator` stands between the type and the rest: ':' in an oid, '/' in a topic.
Result<Item> item_of(std::string_view text, char separator) {
  const std::size_t type_end = text.find(separator);
  const std::size_t group_end = text.rfind('/');
  if (type_end == std::string_view::npos || group_end == std::string_view::npos || group_end <= type_end) {
    return fail(Errc::malformed, "item: want type, group and id");
  }
  const auto* const type =
      std::ranges::find(kItemTypes, text.substr(0, type_end), [](const auto& entry) { return entry.second; });
  if (type == kItemTypes.end()) return fail(Errc::malformed, "item: found another type, want unit, sensor or lvar");
  const std::string_view group = text.substr(type_end + 1, group_end - type_end - 1);
  const std::string_view id = text.substr(group_end + 1);
  if (group.size() > kMostGroupBytes || !are_levels(group) || !is_level(id)) {
    return fail(Errc::malformed, "item: group and id, want levels of 1 to 64 of 0-9 A-Z a-z _ . -");
  }
  return Item{.type = type->first, .group = std::string(group), .id = std::string(id)};
}

Result<std::optional<double>> optional_number(const Json& from, std::string_view key) {
  const Json* const member = from.find(key);
  if (member == nullptr || member->is_null()) return std::optional<double>();
  TRY(const double value, member->number());
  return std::optional(value);
}

Result<std::optional<Controller>> optional_controller(const Json& from, std::string_view key) {
  const Json* const member = from.find(key);
  if (member == nullptr || member->is_null()) return std::optional<Controller>();
  TRY(const std::string text, member->text());
  TRY(Controller controller, parse_controller(text));
  return std::optional(std::move(controller));
}

Result<std::optional<EventId>> event_id_of(const Json& from) {
  const Json* const member = from.find("ieid");
  if (member == nullptr || member->is_null()) return std::optional<EventId>();
  TRY(const Json::Array parts, member->array());
  if (parts.size() != 2) return failf(Errc::malformed, "item state: ieid of {} parts, want 2", parts.size());
  EventId out;
  TRY(out.boot, parts[0].integer());
  TRY(out.nanoseconds, parts[1].integer());
  return std::optional(out);
}

// Containers are no values of an item.
Result<Json> scalar_at(const Json& from, std::string_view key) {
  TRY(Json value, from.at(key));
  if (value.is_object() || value.array()) return failf(Errc::malformed, "item state: {}, want no container", key);
  return value;
}

Result<std::optional<UnitState>> unit_of(const Json& from) {
  if (from.find("nstatus") == nullptr) return std::optional<UnitState>();
  UnitState out;
  TRY(out.new_status, from.integer_at("nstatus"));
  TRY(out.new_value, scalar_at(from, "nvalue"));
  TRY(out.action_enabled, from.boolean_at("action_enabled"));
  return std::optional(std::move(out));
}

Result<ItemState> item_state_of(const Json& from) {
  ItemState out;
  TRY(out.status, from.integer_at("status"));
  TRY(out.value, scalar_at(from, "value"));
  TRY(out.set_time, optional_number(from, "set_time"));
  TRY(out.event_id, event_id_of(from));
  TRY(out.unit, unit_of(from));
  return out;
}

Json or_null(const std::optional<double>& time) {
  return time ? Json(*time) : Json();
}

Json or_null(const std::optional<Controller>& from) {
  return from ? Json(to_text(*from)) : Json();
}

Json::Object members_of(const ItemState& state) {
  Json::Object out{{"status", Json(state.status)}, {"value", state.value}, {"set_time", or_null(state.set_time)}};
  if (state.event_id) out["ieid"] = Json::Array{Json(state.event_id->boot), Json(state.event_id->nanoseconds)};
  if (state.unit) {
    out["nstatus"] = Json(state.unit->new_status);
    out["nvalue"] = state.unit->new_value;
    out["action_enabled"] = Json(state.unit->action_enabled);
  }
  return out;
}

Json bulk_json(const BulkState& bulk) {
  Json::Array states;
  for (const auto& [item, state] : bulk.items) {
    Json::Object members = members_of(state);
    members["oid"] = Json(to_oid(item));
    states.emplace_back(std::move(members));
  }
  return Json::Object{{"t", or_null(bulk.time)}, {"c", or_null(bulk.from)}, {"d", Json(std::move(states))}};
}

Result<Json> bulk_body(ByteView payload, const Limits& limits) {
  if (payload.size() > limits.message) return failf(Errc::overloaded, "bulk state: {} bytes", payload.size());
  if (payload.empty() || payload[0] != 0) return codec::parse_json(as_text(payload), limits.body);
  if (payload.size() < 2 || payload[1] != kPackedBulk)
    return fail(Errc::malformed, "bulk state: no head that is known");
  TRY(const Bytes plain, codec::inflate_zlib(payload.subspan(2), limits.body.size));
  return codec::parse_msgpack(plain, limits.body);
}

}  // namespace

std::string to_oid(const Item& item) {
  return std::string(name_of(item.type)) + ":" + item.group + "/" + item.id;
}

Result<Item> parse_oid(std::string_view text) {
  return item_of(text, ':');
}

std::string item_topic(const Space& space, const Item& item) {
  const std::string own = std::string(name_of(item.type)) + "/" + item.group + "/" + item.id;
  return space.get().empty() ? own : space.get() + "/" + own;
}

Result<Item> parse_item_topic(const Space& space, std::string_view topic) {
  if (!space.get().empty()) {
    if (!topic.starts_with(space.get() + "/")) return fail(Errc::malformed, "topic: of another space");
    topic.remove_prefix(space.get().size() + 1);
  }
  TRY(Item item, item_of(topic, '/'));
  if (std::ranges::find(kOtherLastLevels, item.id) != kOtherLastLevels.end()) {
    return fail(Errc::malformed, "topic: below an item's own");
  }
  return item;
}

std::string write_state(const StateAnnouncement& announcement) {
  Json::Object members = members_of(announcement.state);
  members["t"] = or_null(announcement.time);
  members["c"] = or_null(announcement.from);
  return Json(std::move(members)).write();
}

Result<std::optional<StateAnnouncement>> parse_state(std::string_view payload) {
  if (payload.empty()) return std::optional<StateAnnouncement>();
  TRY(const Json body, codec::parse_json(payload, kStateLimits));
  StateAnnouncement out;
  TRY(out.time, optional_number(body, "t"));
  TRY(out.from, optional_controller(body, "c"));
  TRY(out.state, item_state_of(body));
  return std::optional(std::move(out));
}

std::string bulk_topic(const Space& space, std::string_view name) {
  SALLYPORT_CHECK(is_level(name));
  const std::string own = "state/" + std::string(name);
  return space.get().empty() ? own : space.get() + "/" + own;
}

std::string write_bulk_json(const BulkState& bulk) {
  return bulk_json(bulk).write();
}

Bytes write_bulk_packed(const BulkState& bulk) {
  return Writer().u8(0).u8(kPackedBulk).bytes(codec::deflate_zlib(codec::write_msgpack(bulk_json(bulk)))).take();
}

Result<BulkState> parse_bulk(ByteView payload, const Limits& limits) {
  TRY(const Json body, bulk_body(payload, limits));
  BulkState out;
  TRY(out.time, optional_number(body, "t"));
  TRY(out.from, optional_controller(body, "c"));
  TRY(const Json list, body.at("d"));
  TRY(const Json::Array states, list.array());
  if (states.size() > kMostBulkItems) {
    return failf(Errc::overloaded, "bulk state: {} items, want at most {}", states.size(), kMostBulkItems);
  }
  for (const Json& entry : states) {
    TRY(const std::string oid, entry.text_at("oid"));
    TRY(Item item, parse_oid(oid));
    TRY(ItemState state, item_state_of(entry));
    out.items.emplace_back(std::move(item), std::move(state));
  }
  return out;
}

}  // namespace sallyport::sealed::eva
