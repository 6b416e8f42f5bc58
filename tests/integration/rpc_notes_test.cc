// What the audit log says of calls and keys of nodes (ADR 0030).
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;

const std::string kCallId = "0190b1c2-7a5e-7c3d-8f00-112233445566";

Json call_order(const std::string& method = "pump.start") {
  return Json::Object{{"node", "pump-1"}, {"method", method}, {"call", kCallId}};
}

Json end_order(const std::string& outcome, std::int64_t duration = 1'200) {
  return Json::Object{
      {"node", "pump-1"}, {"method", "pump.start"}, {"call", kCallId}, {"outcome", outcome}, {"duration_ms", duration}};
}

// As somebody of `role`, through the console.
net::Task<Result<Bytes>> as_role(std::shared_ptr<net::RpcPeer> console, records::UserRole role, std::string method,
                                 Json parameters) {
  records::AdminRequest request;
  request.method = std::move(method);
  request.actor = "otto";
  request.role = role;
  request.parameters = parameters.write();
  co_return co_await console->call(records::with_method(records::RoleMethod::admin, records::encode(request)),
                                   kCallLimit);
}

net::Task<void> noted_call(Installation& t) {
  const auto console = co_await t.connect("authority");
  CO_ASSERT((co_await as_role(console, records::UserRole::operator_, "rpc.called", call_order())).has_value());
  CO_ASSERT((co_await as_role(console, records::UserRole::operator_, "rpc.ended", end_order("unknown"))).has_value());
  const Json kept(Json::Object{{"node", "pump-1"}, {"purpose", "calls"}, {"key", "plant-a"}});
  CO_ASSERT((co_await t.administer(console, "rpc.key_kept", kept)).has_value());
  auto listed = co_await t.administer(console, "audit.list", Json(Json::Object{{"action", "rpc."}}));
  CO_ASSERT(listed.has_value());
  const auto entries = listed->at("entries")->array().value();
  CO_ASSERT(entries.size() == 3);
  EXPECT_EQ(entries[0].text_at("action").value(), "rpc.called");
  EXPECT_EQ(entries[0].text_at("actor").value(), "otto");
  EXPECT_EQ(entries[0].text_at("subject").value(), "pump-1");
  EXPECT_EQ(entries[1].at("detail")->write(),
            R"({"call":")" + kCallId + R"(","duration_ms":1200,"method":"pump.start","outcome":"unknown"})");
  EXPECT_EQ(entries[2].at("detail")->write(), R"({"key":"plant-a","purpose":"calls"})");
}
TEST(RpcNotes, SayWhoCalledWhatAndHowItEnded) {
  Installation t;
  run(t, noted_call(t));
}

net::Task<void> refused_notes(Installation& t) {
  const auto console = co_await t.connect("authority");
  const auto viewer = records::UserRole::viewer;
  const auto operator_ = records::UserRole::operator_;
  EXPECT_FALSE((co_await as_role(console, viewer, "rpc.called", call_order())).has_value());
  EXPECT_FALSE((co_await as_role(console, operator_, "rpc.called", call_order("keys.add"))).has_value())
      << "a node's keys are for owners";
  const Json kept(Json::Object{{"node", "pump-1"}, {"purpose", "calls"}});
  EXPECT_FALSE((co_await as_role(console, operator_, "rpc.key_kept", kept)).has_value());
  EXPECT_FALSE((co_await as_role(console, operator_, "rpc.key_forgotten", kept)).has_value());
  for (const char* method : {"rpc.called", "rpc.ended", "rpc.key_kept", "rpc.key_forgotten"})
    EXPECT_FALSE((co_await t.administer(console, method, call_order(), "a-tenant")).has_value()) << method;
  for (const char* order :
       {R"({})", R"({"node":"pump-1"})", R"({"node":"pump 1","method":"test"})", R"({"node":"","method":"test"})",
        R"({"node":"pump-1","method":"a\nb"})", R"({"node":"pump-1","method":"test","params":"secret"})",
        R"({"node":"pump-1","method":"test","key":"spk1_0123456789012345678901234567890123"})"}) {
    EXPECT_FALSE((co_await t.administer(console, "rpc.called", *codec::parse_json(order))).has_value()) << order;
  }
  for (const auto& order : {end_order("done"), end_order(""), end_order("unknown", -1)})
    EXPECT_FALSE((co_await t.administer(console, "rpc.ended", order)).has_value()) << order.write();
  const Json wrong(Json::Object{{"node", "pump-1"}, {"purpose", "all"}});
  EXPECT_FALSE((co_await t.administer(console, "rpc.key_kept", wrong)).has_value());
  auto listed = co_await t.administer(console, "audit.list", Json(Json::Object{{"action", "rpc."}}));
  CO_ASSERT(listed.has_value());
  EXPECT_TRUE(listed->at("entries")->array()->empty()) << "nothing of all this is in the log";
}
TEST(RpcNotes, AreRefusedForWhoMayNotAndForWhatIsNone) {
  Installation t;
  run(t, refused_notes(t));
}

}  // namespace
}  // namespace sallyport::integration
