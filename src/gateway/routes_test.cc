#include "gateway/routes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sallyport::gateway {
namespace {

TEST(GatewayRoutesTest, NothingButWhatAnybodyMayKnowIsOpen) {
  std::set<std::string_view> open;
  for (const Route& route : kRoutes) {
    if (route.admission == Admission::anyone) open.insert(route.pattern);
  }
  EXPECT_EQ(open, (std::set<std::string_view>{"/.well-known/est/cacerts", "/.well-known/est/csrattrs"}));
}

TEST(GatewayRoutesTest, AFactoryCertificateReachesEnrolmentAlone) {
  std::set<std::string_view> reached;
  for (const Route& route : kRoutes) {
    if (route.admission == Admission::certified) reached.insert(route.pattern);
  }
  EXPECT_EQ(reached, (std::set<std::string_view>{"/.well-known/est/simpleenroll", "/.well-known/est/simplereenroll"}));
}

TEST(GatewayRoutesTest, WhatChangesSomethingNamesItsContentTypeAndIsNotOpen) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const Route& route : kRoutes) {
    EXPECT_TRUE(seen.emplace(route.verb, route.pattern).second) << route.pattern;
    EXPECT_EQ(route.content_type.empty(), route.verb == "GET") << route.pattern;
    if (route.verb == "GET") continue;
    EXPECT_NE(route.admission, Admission::anyone) << route.pattern;
    EXPECT_LE(route.body_limit, telemetry::kMaxBatchBytes) << route.pattern;
  }
}

TEST(GatewayRoutesTest, WithoutACertificateNoBodyIsReadWhateverItsType) {
  for (const Route& route : kRoutes) {
    http::Request head;
    if (!route.content_type.empty()) head.headers.add("Content-Type", route.content_type);
    const auto refused = judge_head(route, head, false);
    EXPECT_EQ(refused ? refused->status : 0, route.admission == Admission::anyone ? 0U : 401U) << route.pattern;
    EXPECT_FALSE(judge_head(route, head, true)) << route.pattern;
    head.headers.set("Content-Type", "text/plain");
    const auto other = judge_head(route, head, true);
    EXPECT_EQ(other ? other->status : 0, route.content_type.empty() ? 0U : 415U) << route.pattern;
  }
}

TEST(GatewayRoutesTest, AContentTypeIsComparedWithoutItsParameters) {
  EXPECT_TRUE(is_content_type("application/pkcs10", kPkcs10));
  EXPECT_TRUE(is_content_type("Application/PKCS10 ; charset=us-ascii", kPkcs10));
  for (const char* other : {"", " ", ";", "application/pkcs10x", "text/plain", "application/pkcs10,text/plain"}) {
    EXPECT_FALSE(is_content_type(other, kPkcs10)) << other;
  }
}

TEST(GatewayRoutesTest, WhatIsStoredForADeviceIsMeteredByItsHead) {
  for (const Route& route : kRoutes) EXPECT_EQ(route.is_metered, route.body_limit == telemetry::kMaxBatchBytes);
  http::Request head;
  EXPECT_EQ(body_length(head), 0U);
  head.headers.set("Content-Length", "1048576");
  EXPECT_EQ(body_length(head), telemetry::kMaxBatchBytes);
  head.headers.set("Content-Length", "99999999999999999999999");
  EXPECT_EQ(body_length(head), 0U);
}

}  // namespace
}  // namespace sallyport::gateway
