// State announcements of EVA ICS v3: plain by its design, so that anything on the broker can read them, and signed by
// nobody, so that nothing may be decided on them. One item in its own retained topic, or many in one message.
//
//   <space>/<type>/<group>/<id>     JSON, retained; empty: the item is gone
//   <space>/state/<bulk topic>      {"t":…,"c":…,"d":[states with "oid"]} in JSON, or 0x00 0x03 and zlib of that in
//   MessagePack
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "sealed/eva_topics.h"

namespace sallyport::sealed::eva {

inline constexpr std::size_t kMostBulkItems = 4096;

enum class ItemType : std::uint8_t { unit, sensor, lvar };

// "unit:hall/lamps/1": type, group, which may have levels, id.
struct Item {
  ItemType type = ItemType::unit;
  std::string group;  // levels as in a Space, not empty, 128 bytes at most
  std::string id;     // one level

  friend auto operator<=>(const Item&, const Item&) = default;
};

std::string to_oid(const Item& item);
Result<Item> parse_oid(std::string_view text);
std::string item_topic(const Space& space, const Item& item);
// Errc::malformed for every other topic; also for those below an item's own that end in status, value, control or
// action.
Result<Item> parse_item_topic(const Space& space, std::string_view topic);

// What an action will make of a unit, and whether it may.
struct UnitState {
  std::int64_t new_status = 0;
  codec::Json new_value;
  bool action_enabled = false;

  friend bool operator==(const UnitState&, const UnitState&) = default;
};

// The order of states of one item: the boot of its controller, and nanoseconds of a monotonic clock since then.
struct EventId {
  std::int64_t boot = 0;
  std::int64_t nanoseconds = 0;

  friend auto operator<=>(const EventId&, const EventId&) = default;
};

struct ItemState {
  std::int64_t status = 0;
  codec::Json value;               // no container
  std::optional<double> set_time;  // seconds since 1970
  std::optional<EventId> event_id;
  std::optional<UnitState> unit;  // of units alone

  friend bool operator==(const ItemState&, const ItemState&) = default;
};

struct StateAnnouncement {
  std::optional<double> time;  // seconds since 1970
  std::optional<Controller> from;
  ItemState state;

  friend bool operator==(const StateAnnouncement&, const StateAnnouncement&) = default;
};

// Compact JSON. An item that is gone is announced by no bytes at all.
std::string write_state(const StateAnnouncement& announcement);
// Nothing for an item that is gone. Members that are not named here are ignored. Errc::malformed, Errc::overloaded.
Result<std::optional<StateAnnouncement>> parse_state(std::string_view payload);

struct BulkState {
  std::optional<double> time;
  std::optional<Controller> from;
  std::vector<std::pair<Item, ItemState>> items;  // 4,096 at most

  friend bool operator==(const BulkState&, const BulkState&) = default;
};

// "<space>/state/<name>"; `name` is one level.
std::string bulk_topic(const Space& space, std::string_view name);
std::string write_bulk_json(const BulkState& bulk);
Bytes write_bulk_packed(const BulkState& bulk);
// Either of the two. Anybody who may publish can send this: it is bounded before and after inflation.
Result<BulkState> parse_bulk(ByteView payload, const Limits& limits = {});

}  // namespace sallyport::sealed::eva
