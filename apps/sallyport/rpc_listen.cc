#include "rpc_listen.h"

#include <cstdio>
#include <map>

#include "base/log.h"
#include "codec/text.h"
#include "json_output.h"
#include "rpc_brokers.h"
#include "rpc_caller.h"
#include "rpcnode/key_file.h"
#include "sealed/eva_binary.h"
#include "sealed/eva_text.h"
#include "sealed/json_rpc.h"
#include "sealed/overheard.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;
namespace eva = sealed::eva;

constexpr std::size_t kMaxInboxesKept = 4'096;
constexpr std::size_t kMaxMethodsShown = 4;

struct ListenOrder {
  RpcWay way;
  std::optional<sealed::NodeName> node;
  std::optional<sealed::NodeKey> key;  // of the node
  std::vector<std::string> filters;
};

std::vector<std::string> filters_of(const Arguments& arguments, const ListenOrder& order) {
  if (auto given = arguments.list("topic"); !given.empty()) return given;
  const std::string prefix = order.way.prefix.get().empty() ? "" : order.way.prefix.get() + "/";
  const std::string node = order.node ? order.node->get() : "+";
  return {prefix + node + "/api/request", prefix + node + "/api/bundle", prefix + "r/+"};
}

Try<ListenOrder> read_listen_order(const Arguments& arguments) {
  const auto usage = [](Error error) { return std::unexpected(Failure(std::move(error), ExitStatus::usage)); };
  ListenOrder out;
  CLI_TRY(out.way, read_rpc_way(arguments));
  if (out.way.brokers.empty()) return usage({Errc::malformed, "--broker: is missing"});
  if (const auto text = arguments.find("NODE")) {
    auto node = sealed::parse_node_name(*text);
    if (!node) return usage(std::move(node).error());
    out.node = *std::move(node);
  }
  if (arguments.find("identity") || arguments.find("https"))
    return usage({Errc::malformed, "without METHOD: nothing is called, so want --key-file at most"});
  out.filters = filters_of(arguments, out);
  const auto file = arguments.find("key-file");
  if (!file) return out;
  if (!out.node) return usage({Errc::malformed, "--key-file: wants NODE: a key is another at each node"});
  TRY(const auto key, rpcnode::read_key_file(*file));
  out.key = sealed::derive_node_key(key.secret, *out.node);
  return out;
}

std::string methods_in(const std::string& json) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& element : sealed::parse_json_rpc(json).elements) {
    const auto* const request = std::get_if<sealed::RpcRequest>(&element);
    if (request == nullptr) continue;
    if (++shown > kMaxMethodsShown) return out + " …";
    out += (out.empty() ? "" : ", ") + request->method;
  }
  return out.empty() ? "no method" : out;
}

// What is known of one message.
struct Line {
  std::string kind = "unknown";
  std::string mark;  // hexadecimal
  std::string note;
  std::string call;  // with the key alone
  std::string method;
};

class WireReader {
 public:
  WireReader(const ListenOrder& order, Environment& environment, bool as_json)
      : order_(order), environment_(environment), began_(environment.clock.monotonic()), as_json_(as_json) {}

  void take(const rpcnode::BrokerSettings& broker, const rpcnode::BrokerMessage& message) {
    ++seen_;
    const Line line = line_of(message);
    as_json_ ? write_json(broker, message, line) : write(message, line);
    std::fflush(stdout);
  }
  std::uint64_t seen() const { return seen_; }

 private:
  Line line_of(const rpcnode::BrokerMessage& message);
  Line sealed_line(const std::string& topic, const Bytes& payload, const sealed::Overheard& heard);
  Line first_message(const Bytes& payload, Line line);
  static Line foreign_line(const Bytes& payload);
  void write(const rpcnode::BrokerMessage& message, const Line& line) const;
  void write_json(const rpcnode::BrokerSettings& broker, const rpcnode::BrokerMessage& message, const Line& line) const;

  const ListenOrder& order_;
  Environment& environment_;
  Instant began_;
  bool as_json_;
  std::uint64_t seen_ = 0;
  std::map<std::string, std::string> opened_;  // reply topic to the call that our key opened its session with
};

Line WireReader::first_message(const Bytes& payload, Line line) {
  if (!order_.key) {
    line.note = "cannot be opened without the key";
    return line;
  }
  const auto opened = sealed::open_init(*order_.key, order_.way.prefix, *order_.node, payload);
  if (!opened) {
    line.note = "of another key";
    return line;
  }
  const bool has_call = opened->body.kind != sealed::RequestKind::nothing;
  line.call = has_call ? sealed::to_text(opened->body.id) : "";
  line.method = opened->body.json.empty() ? "" : methods_in(opened->body.json);
  line.note =
      has_call ? fmt::format("of this key: call {} {}", line.call, line.method) : "of this key: opens a session";
  if (!opened->has_clock) line.note += ", of a caller without a clock, or stored";
  if (opened_.size() < kMaxInboxesKept) opened_[opened->reply_topic] = line.call;
  return line;
}

Line WireReader::sealed_line(const std::string& topic, const Bytes& payload, const sealed::Overheard& heard) {
  Line line{.kind = std::string(sealed::to_string(heard.type)), .mark = codec::encode_hex(heard.mark)};
  switch (heard.type) {
    case sealed::MessageType::init:
      return first_message(payload, std::move(line));
    case sealed::MessageType::init_cert:
      line.note = "cannot be opened without the node's prekey";
      return line;
    case sealed::MessageType::data:
      line.note = "cannot be opened: a session's keys are with its two ends alone";
      return line;
    case sealed::MessageType::accept:
    case sealed::MessageType::reply:
      break;
  }
  const auto session = opened_.find(topic);
  line.note = session == opened_.end() ? "cannot be opened: whose it is, its inbox does not say"
                                       : "in a session that this key opened; cannot be opened";
  if (session != opened_.end()) line.call = session->second;
  return line;
}

// What others put there: the old formats name their key, and are named.
Line WireReader::foreign_line(const Bytes& payload) {
  if (const auto request = eva::parse_binary_request(payload))
    return {.kind = "EVA",
            .mark = {},
            .note = fmt::format("a request of EVA ICS v3 under the key '{}'", log::escape(request->key_id)),
            .call = {},
            .method = {}};
  if (const auto request = eva::parse_text_request(as_text(payload)))
    return {.kind = "EVA",
            .mark = {},
            .note = fmt::format("a text request of EVA ICS v3 under the key '{}'", log::escape(request->key_id)),
            .call = {},
            .method = {}};
  if (payload.empty())
    return {.kind = "nothing", .mark = {}, .note = "takes back what was retained", .call = {}, .method = {}};
  return {.kind = "unknown", .mark = {}, .note = "nothing that a node takes", .call = {}, .method = {}};
}

Line WireReader::line_of(const rpcnode::BrokerMessage& message) {
  if (message.topic.ends_with("/api/bundle"))
    return {.kind = "BUNDLE",
            .mark = {},
            .note = "in clear, signed; `sallyport rpc nodes` judges it",
            .call = {},
            .method = {}};
  if (const auto heard = sealed::overhear(message.payload)) return sealed_line(message.topic, message.payload, *heard);
  return foreign_line(message.payload);
}

void WireReader::write(const rpcnode::BrokerMessage& message, const Line& line) const {
  const auto at = std::chrono::duration<double, std::milli>(environment_.clock.monotonic() - began_).count();
  const std::string flags = std::string(message.retained ? " retained" : "") + (message.duplicate ? " duplicate" : "");
  fmt::print("{:9.1f} ms  {:<9} {:>6} bytes{}  {}  {}{}\n", at, line.kind, message.payload.size(), flags,
             log::escape(message.topic), line.mark.empty() ? "" : line.mark + "  ", line.note);
}

void WireReader::write_json(const rpcnode::BrokerSettings& broker, const rpcnode::BrokerMessage& message,
                            const Line& line) const {
  Json::Object out{{"time", to_iso8601(environment_.clock.now())},
                   {"broker", net::to_string(broker.address)},
                   {"topic", message.topic},
                   {"kind", line.kind},
                   {"bytes", static_cast<std::int64_t>(message.payload.size())},
                   {"retained", message.retained},
                   {"duplicate", message.duplicate},
                   {"note", line.note}};
  if (!line.mark.empty()) out.emplace("mark", line.mark);
  if (!line.call.empty()) out.emplace("call", line.call);
  if (!line.method.empty()) out.emplace("method", line.method);
  print_json(Json(std::move(out)));
}

// What may be the reason that there was nothing, for who wonders.
void tell_nothing_was_seen(const ListenOrder& order) {
  std::string filters;
  for (const std::string& each : order.filters) filters += (filters.empty() ? "" : ", ") + log::escape(each);
  fmt::print(
      stderr,
      "sallyport: nothing passed on {}. Either nobody called meanwhile, or what stands before the topics is another "
      "(--prefix), or the broker shows us nothing: its rules may keep what passes between others from '{}'.\n",
      filters,
      order.way.brokers.front().username.empty() ? "a client without a name" : order.way.brokers.front().username);
}

rpcnode::BrokerHandlers handlers_of(WireReader& reader) {
  rpcnode::BrokerHandlers out;
  out.on_disconnected = [](const rpcnode::BrokerSettings& broker, const Error& why) {
    fmt::print(stderr, "sallyport: {}: {}\n", net::to_string(broker.address), log::escape(why.detail));
  };
  out.on_subscribed = [](const rpcnode::BrokerSettings& broker, const std::string& topic, const Result<void>& verdict) {
    if (!verdict)
      fmt::print(stderr, "sallyport: {} does not let us read {}: {}\n", net::to_string(broker.address),
                 log::escape(topic), log::escape(verdict.error().detail));
  };
  out.on_wire = [&reader](const rpcnode::BrokerSettings& broker, const rpcnode::BrokerMessage& message) {
    reader.take(broker, message);
  };
  return out;
}

}  // namespace

Outcome rpc_listen(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const ListenOrder order, read_listen_order(arguments));
  WireReader reader(order, environment, arguments.flag("json"));
  BrokerSession session(environment);
  TRY_VOID(session.open(order.way.brokers, handlers_of(reader)));
  for (const std::string& filter : order.filters) {
    if (auto subscribed = session.links().subscribe(filter); !subscribed)
      return std::unexpected(Failure(std::move(subscribed).error().at("--topic"), ExitStatus::usage));
  }
  session.end_by_signals();
  session.listen(arguments.flag("once") ? std::optional(order.way.timeout) : std::nullopt);
  if (!session.was_connected())
    return std::unexpected(
        Failure({Errc::unavailable, "trace: no broker answered; " + session.last_fault()}, ExitStatus::unreachable));
  if (reader.seen() == 0) tell_nothing_was_seen(order);
  return {};
}

}  // namespace sallyport::cli
