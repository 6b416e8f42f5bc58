#include "sealed/node_channel.h"

#include <gtest/gtest.h>

namespace sallyport::sealed {
namespace {

Bundle some_bundle() {
  return {.node = NodeName("pump-1"),
          .prekey = {1, 2, 3},
          .prekey_id = 7,
          .not_before = UnixTime(1'800'000'000),
          .not_after = UnixTime(1'800'000'000) + kBundleLife,
          .sequence = 1'800'000'000};
}

std::vector<NodeRequest> every_request() {
  return {AskIdentity{},
          SignBundle{.bundle = some_bundle()},
          ReadValues{},
          ListServices{},
          SwitchService{.name = ServiceName("panel"), .open = true},
          SwitchService{.name = ServiceName("panel"), .open = false}};
}

TEST(NodeChannel, EveryRequestHasOneEncoding) {
  for (const NodeRequest& request : every_request()) {
    const auto again = parse_node_request(encode_node_request(request));
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(*again, request);
  }
}

TEST(NodeChannel, ALongestNameFitsARequest) {
  Bundle bundle = some_bundle();
  bundle.node = NodeName(std::string(kMaxNodeName, 'n'));
  EXPECT_TRUE(parse_node_request(encode_node_request(SignBundle{.bundle = bundle})));
}

TEST(NodeChannel, WhatIsCutLongerOrOfAnotherKindIsNoRequest) {
  for (const NodeRequest& request : every_request()) {
    Bytes bytes = encode_node_request(request);
    if (!std::holds_alternative<SwitchService>(request)) {
      for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(parse_node_request(ByteView(bytes).first(size)));
    }
    bytes.push_back(0);
    EXPECT_FALSE(parse_node_request(bytes));
  }
  EXPECT_FALSE(parse_node_request({}));
  EXPECT_FALSE(parse_node_request(Bytes{0}));
  EXPECT_FALSE(parse_node_request(Bytes{6}));
  EXPECT_FALSE(parse_node_request(Bytes{255}));
  EXPECT_FALSE(parse_node_request(Bytes(kMaxNodeRequest + 1, 1)));
}

TEST(NodeChannel, AServiceIsSwitchedByAName) {
  const auto ask = [](std::uint8_t state, std::string_view name) {
    Bytes bytes{5, state};
    append(bytes, as_bytes(name));
    return parse_node_request(bytes);
  };
  EXPECT_TRUE(ask(1, "panel"));
  EXPECT_FALSE(ask(2, "panel")) << "neither open nor closed";
  EXPECT_FALSE(ask(1, ""));
  EXPECT_FALSE(ask(1, "Panel"));
  EXPECT_FALSE(ask(1, "panel\n"));
  EXPECT_FALSE(ask(1, std::string(kServiceNameMaxLength + 1, 'a')));
}

TEST(NodeChannel, AnIdentityThatIsCutOrEmptyIsRefused) {
  EXPECT_FALSE(parse_node_identity({}));
  const Bytes nothing = encode_node_identity({.zone = DnsName("devices.example"), .chain = {}, .roots = {}});
  EXPECT_FALSE(parse_node_identity(nothing)) << "no certificate";
  EXPECT_FALSE(parse_node_identity(ByteView(nothing).first(nothing.size() - 1)));
}

}  // namespace
}  // namespace sallyport::sealed
