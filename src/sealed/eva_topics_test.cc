#include "sealed/eva_topics.h"

#include <gtest/gtest.h>

#include "sealed/detail/eva_test_support.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

TEST(EvaTopics, AreThoseOfEva) {
  const Space none;
  const Space hall = parse_space("plant/hall").value();
  const CallId id = parse_call_id("0f").value();
  EXPECT_EQ(request_topic(none, plant()), "controller/uc/plant1/api/request");
  EXPECT_EQ(request_topic(hall, plant()), "plant/hall/controller/uc/plant1/api/request");
  EXPECT_EQ(response_topic(hall, plant(), id), "plant/hall/controller/uc/plant1/api/response/0f");
  EXPECT_EQ(events_topic(none, plant()), "controller/uc/plant1/events");
  EXPECT_EQ(discovery_topic(none), "controller/discovery");
  EXPECT_EQ(discovery_topic(hall), "plant/hall/controller/discovery");
}

TEST(EvaTopics, OfControllersAreReadAsTheyAreWritten) {
  for (const std::string_view text : {"", "plant", "plant/hall"}) {
    const Space space = parse_space(text).value();
    const auto request = parse_controller_topic(space, request_topic(space, plant()));
    ASSERT_TRUE(request) << request.error().detail;
    EXPECT_EQ(request->controller, plant());
    EXPECT_EQ(request->kind, ControllerTopic::Kind::request);
    const CallId id = parse_call_id("a-b_c").value();
    const auto response = parse_controller_topic(space, response_topic(space, plant(), id));
    ASSERT_TRUE(response) << response.error().detail;
    EXPECT_EQ(response->call_id, id);
    const auto events = parse_controller_topic(space, events_topic(space, plant()));
    ASSERT_TRUE(events) << events.error().detail;
    EXPECT_EQ(events->kind, ControllerTopic::Kind::events);
  }
}

TEST(EvaTopics, OfNothingThatAControllerHasAreRefused) {
  const Space space = parse_space("s").value();
  for (const std::string_view topic : {"",
                                       "s",
                                       "s/controller",
                                       "s/controller/",
                                       "s/controller/discovery",
                                       "controller/uc/a/events",
                                       "t/controller/uc/a/events",
                                       "s/controller/uc/a",
                                       "s/controller/uc/a/",
                                       "s/controller/uc//events",
                                       "s/controller/xx/a/events",
                                       "s/controller/uc/a/api",
                                       "s/controller/uc/a/api/response",
                                       "s/controller/uc/a/api/response/",
                                       "s/controller/uc/a/api/response/a/b",
                                       "s/controller/uc/a/api/response/+",
                                       "s/controller/uc/a b/events",
                                       "s/controller/uc/a/test-1",
                                       "s/controller/uc/+/api/request",
                                       "s/controller/uc/a/api/request/"}) {
    EXPECT_FALSE(parse_controller_topic(space, topic)) << topic;
  }
}

TEST(EvaTopics, ControllersAndSpacesOfOtherFormsAreRefused) {
  EXPECT_EQ(parse_controller("lm/a.b-c_1")->type, ControllerType::lm);
  EXPECT_EQ(to_text(parse_controller("sfa/x").value()), "sfa/x");
  for (const std::string_view text :
       {"", "uc", "uc/", "/a", "UC/a", "uc/a/b", "uc/+", "uc/#", "uc/a b", "uc/gr\xC3\xBCn", "uc/a\n"}) {
    EXPECT_FALSE(parse_controller(text)) << text;
  }
  EXPECT_FALSE(parse_controller("uc/" + std::string(65, 'a')));
  for (const std::string_view text : {"/", "a/", "/a", "a//b", "+", "a/#", "$share/a b"}) {
    EXPECT_FALSE(parse_space(text)) << text;
  }
  EXPECT_FALSE(parse_space(std::string(64, 'a') + "/" + std::string(64, 'a')));
}

TEST(EvaServerEvents, AreReadAsTheyAreWritten) {
  const auto event = parse_server_event(R"({"e": "leaving", "t": 1600000000.25, "c": "uc/plant1"})");
  ASSERT_TRUE(event) << event.error().detail;
  EXPECT_EQ(event->kind, ServerEvent::Kind::leaving);
  EXPECT_EQ(event->time, 1600000000.25);
  EXPECT_EQ(event->from, plant());
  EXPECT_EQ(write_server_event(*event), R"({"c":"uc/plant1","e":"leaving","t":1600000000.25})");
}

TEST(EvaServerEvents, OfOtherFormsAreRefused) {
  for (const std::string_view text :
       {"", "{}", "[]", R"({"e":"removed","t":1,"c":"uc/a"})", R"({"e":"leaving","c":"uc/a"})",
        R"({"e":"leaving","t":"1","c":"uc/a"})", R"({"e":"leaving","t":1})", R"({"e":"leaving","t":1,"c":"a"})",
        R"({"e":1,"t":1,"c":"uc/a"})", R"({"e":"leaving","t":1,"c":"uc/a","x":[[1]]})"}) {
    EXPECT_FALSE(parse_server_event(text)) << text;
  }
  EXPECT_FALSE(parse_server_event(R"({"e":"leaving","t":1,"c":"uc/a","x":")" + std::string(1024, 'x') + "\"}"));
}

TEST(EvaIntroduction, IsReadAsItIsWrittenAndMustBeOfTheAnnouncedType) {
  const Introduction introduction{.self = plant(), .time = 1.5, .version = "3.4.2", .build = 2022012701};
  const Json written = write_introduction(introduction);
  const auto read = parse_introduction(written, ControllerType::uc);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, introduction);
  EXPECT_EQ(parse_introduction(written, ControllerType::lm).error().code, Errc::conflict);
  for (const std::string_view member : {"ok", "product_code", "system", "time", "version", "product_build"}) {
    Json::Object without = written.object().value();
    without.erase(std::string(member));
    EXPECT_FALSE(parse_introduction(Json(without), ControllerType::uc)) << member;
    without[std::string(member)] = member == "ok" ? Json(false) : Json(Json::Array());
    EXPECT_FALSE(parse_introduction(Json(without), ControllerType::uc)) << member;
  }
}

}  // namespace
}  // namespace sallyport::sealed::eva
