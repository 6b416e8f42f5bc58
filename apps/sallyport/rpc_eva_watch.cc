// sallyport rpc watch --eva: what controllers tell in clear.
#include <array>
#include <cstdio>
#include <map>

#include "base/log.h"
#include "codec/json_text.h"
#include "rpc_caller.h"
#include "rpc_eva.h"
#include "sealed/eva_state.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;
namespace eva = sealed::eva;

constexpr std::size_t kMaxEvaItemsWatched = 16'384;

// States by item, older ones told apart by their controller's own order. Nobody has signed any of it.
class EvaWatch {
 public:
  EvaWatch(eva::Space space, std::optional<eva::Controller> only, bool as_json)
      : space_(std::move(space)), only_(std::move(only)), as_json_(as_json) {}

  std::vector<std::string> filters() const {
    return {before() + "unit/#", before() + "sensor/#", before() + "lvar/#", before() + "state/+",
            before() + "controller/+/+/events"};
  }

  void take(const std::string& topic, const Bytes& payload) {
    if (eva::parse_controller_topic(space_, topic)) return take_event(topic, payload);
    if (const auto item = eva::parse_item_topic(space_, topic)) return take_state(topic, *item, payload);
    if (topic.starts_with(before() + "state/")) take_bulk(topic, payload);
  }

 private:
  static void complain(const std::string& topic, const Error& error) {
    fmt::print(stderr, "sallyport: {}: {}\n", log::escape(topic), log::escape(error.detail));
  }
  std::string before() const { return space_.get().empty() ? "" : space_.get() + "/"; }
  bool is_wanted(const std::optional<eva::Controller>& from) const { return !only_ || from == only_; }

  void take_state(const std::string& topic, const eva::Item& item, const Bytes& payload) {
    const auto read = eva::parse_state(as_text(payload));
    if (!read) return complain(topic, read.error());
    if (!*read) {
      if (!only_) show_gone(item);
      last_.erase(item);
      return;
    }
    const eva::StateAnnouncement& told = **read;
    if (is_wanted(told.from)) show(item, told.state, told.from);
  }

  void take_bulk(const std::string& topic, const Bytes& payload) {
    const auto bulk = eva::parse_bulk(payload);
    if (!bulk) return complain(topic, bulk.error());
    if (!is_wanted(bulk->from)) return;
    for (const auto& [item, state] : bulk->items) show(item, state, bulk->from);
  }

  void take_event(const std::string& topic, const Bytes& payload) {
    const auto event = eva::parse_server_event(as_text(payload));
    if (!event) return complain(topic, event.error());
    if (!is_wanted(event->from)) return;
    const std::string_view what = event->kind == eva::ServerEvent::Kind::restart ? "restart" : "leaving";
    if (as_json_) {
      print(Json(Json::Object{{"controller", eva::to_text(event->from)}, {"event", what}}).write());
    } else {
      print(fmt::format("{}  says: {}", eva::to_text(event->from), what));
    }
  }

  // Whether it comes after what was shown of the item.
  bool is_news(const eva::Item& item, const eva::ItemState& state) {
    const auto found = last_.find(item);
    if (found == last_.end()) {
      if (last_.size() >= kMaxEvaItemsWatched) return false;
      last_.emplace(item, state);
      return true;
    }
    const bool is_older = state.event_id && found->second.event_id && *state.event_id <= *found->second.event_id;
    if (is_older || (!state.event_id && state == found->second)) return false;
    found->second = state;
    return true;
  }

  void show(const eva::Item& item, const eva::ItemState& state, const std::optional<eva::Controller>& from) {
    if (!is_news(item, state)) return;
    const std::string controller = from ? eva::to_text(*from) : "";
    if (!as_json_)
      return print(
          fmt::format("{}  status {}  value {}  {}", eva::to_oid(item), state.status, shown(state.value), controller));
    Json::Object out{
        {"item", eva::to_oid(item)}, {"status", state.status}, {"value", state.value}, {"controller", controller}};
    if (state.set_time) out.emplace("set_time", *state.set_time);
    if (state.unit) out.emplace("action_enabled", state.unit->action_enabled);
    print(Json(std::move(out)).write());
  }

  void show_gone(const eva::Item& item) const {
    if (!last_.contains(item)) return;
    print(as_json_ ? Json(Json::Object{{"item", eva::to_oid(item)}, {"gone", true}}).write()
                   : eva::to_oid(item) + "  is gone");
  }

  static void print(const std::string& line) {
    fmt::print("{}\n", codec::for_terminal(line));
    std::fflush(stdout);
  }

  eva::Space space_;
  std::optional<eva::Controller> only_;
  bool as_json_;
  std::map<eva::Item, eva::ItemState> last_;
};

}  // namespace

Outcome eva_watch(const Arguments& arguments, Environment& environment) {
  const auto usage = [](std::string sentence) {
    return std::unexpected(Failure({Errc::malformed, std::move(sentence)}, ExitStatus::usage));
  };
  CLI_TRY(auto way, read_rpc_way(arguments));
  auto space = eva::parse_space(way.prefix.get());
  if (!space) return usage("--prefix: " + space.error().detail);
  std::optional<eva::Controller> only;
  if (const auto text = arguments.find("NODE")) {
    auto controller = eva::parse_controller(*text);
    if (!controller) return usage("NODE: " + controller.error().detail);
    only = *std::move(controller);
  }
  EvaWatch watch(*std::move(space), std::move(only), arguments.flag("json"));
  return watch_topics(arguments, environment, std::move(way), watch.filters(),
                      [&watch](const std::string& topic, const Bytes& payload) { watch.take(topic, payload); });
}

}  // namespace sallyport::cli
