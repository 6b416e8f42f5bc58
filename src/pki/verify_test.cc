#include "pki/verify.h"

#include <gtest/gtest.h>

#include "pki/detail/test_vectors.h"

namespace sallyport::pki {
namespace {

Purpose purpose_of(const std::string& text) {
  const DnsName zone = *parse_dns_name("devices.example");
  const std::size_t space = text.find(' ');
  const std::string kind = text.substr(0, space);
  const std::string argument = space == std::string::npos ? "" : text.substr(space + 1);
  if (kind == "server") return ServerPurpose{*parse_dns_name(argument)};
  if (kind == "foreign") return ForeignServerPurpose{*parse_dns_name(argument)};
  if (kind == "device") return OperationalDevicePurpose{zone};
  if (kind == "factory") return FactoryDevicePurpose{zone};
  if (kind == "web") return WebDevicePurpose{zone};
  if (kind == "role") return RolePurpose{zone};
  if (kind == "person") return PersonPurpose{zone};
  EXPECT_EQ(kind, "control");
  return ControlPurpose{*parse_control_kind(argument)};
}

struct IdentityText {
  std::string operator()(const ServerIdentity& server) const { return server.name.get(); }
  std::string operator()(const DeviceName& name) const { return name.get(); }
  std::string operator()(const FactoryIdentity& factory) const {
    return factory.serial_id.get() + "@" + factory.site.get();
  }
  std::string operator()(const RoleIdentity& role) const { return role.role; }
  std::string operator()(const PersonIdentity& person) const { return person.login; }
  std::string operator()(ControlKind kind) const { return std::string(to_string(kind)); }
};

TimeRule rule_of(const TestVector& vector) {
  const UnixTime now = *parse_iso8601(vector.text("now"));
  return vector.text("clock") == "floor" ? TimeRule::floor(now) : TimeRule::clock(now);
}

TEST(VerifyChain, EveryHostileChainIsRefusedForItsReason) {
  for (const TestVector& vector : load_test_vectors("chains.txt")) {
    SCOPED_TRACE(vector.name);
    const auto chain = read_certificates(vector.list("chain"));
    const auto anchors = read_certificates(vector.list("anchors"));
    const auto verified = verify_chain(chain, anchors, purpose_of(vector.text("purpose")), rule_of(vector));
    const std::string found = verified ? "ok" : std::string(to_string(verified.error().reason));
    EXPECT_EQ(found, vector.text("expect")) << (verified ? "" : verified.error().error.detail);
    if (verified) EXPECT_EQ(std::visit(IdentityText(), verified->identity()), vector.text("identity"));
  }
}

TEST(VerifyChain, NoOneBitOfALeafCanBeChanged) {
  const auto vectors = load_test_vectors("chains.txt");
  const auto sound = std::ranges::find(vectors, "sound online", &TestVector::name);
  ASSERT_NE(sound, vectors.end());
  const auto anchors = read_certificates(sound->list("anchors"));
  const auto der = sound->list("chain");
  for (std::size_t bit = 0; bit < der[0].size() * 8; bit += 3) {
    Bytes changed = der[0];
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    const auto leaf = parse_certificate(changed);
    if (!leaf) continue;
    const std::array chain = {*leaf, *parse_certificate(der[1])};
    EXPECT_FALSE(verify_chain(chain, anchors, purpose_of("device"), rule_of(*sound))) << bit;
  }
}

TEST(VerifyChain, NothingIsVerifiedWithoutChainOrAnchors) {
  const auto vectors = load_test_vectors("chains.txt");
  const auto chain = read_certificates(vectors[0].list("chain"));
  const TimeRule time = rule_of(vectors[0]);
  EXPECT_EQ(verify_chain({}, chain, purpose_of("device"), time).error().reason, Reason::chain_empty);
  EXPECT_EQ(verify_chain(chain, {}, purpose_of("device"), time).error().reason, Reason::no_anchor);
}

TEST(VerifyChain, WhatAFloorDefersIsOwedLater) {
  const auto vectors = load_test_vectors("chains.txt");
  const auto sound = std::ranges::find(vectors, "sound server", &TestVector::name);
  const auto chain = read_certificates(sound->list("chain"));
  const auto anchors = read_certificates(sound->list("anchors"));
  const UnixTime now = *parse_iso8601(sound->text("now"));
  const auto verified = verify_chain(chain, anchors, purpose_of(sound->text("purpose")), TimeRule::floor(UnixTime(0)));
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->validity_deferred());
  EXPECT_EQ(verified->recheck_validity(now + kDay * 31).error().reason, Reason::expired);
  EXPECT_EQ(verified->recheck_validity(now - kDay).error().reason, Reason::not_yet_valid);
  const auto paid = verified->recheck_validity(now);
  ASSERT_TRUE(paid);
  EXPECT_FALSE(paid->validity_deferred());
}

TEST(FindProfile, EverySoundChainOfOursHasOneAndNobodyElsesHas) {
  std::size_t ours = 0;
  for (const TestVector& vector : load_test_vectors("chains.txt")) {
    if (vector.text("expect") != "ok") continue;
    SCOPED_TRACE(vector.name);
    const Purpose purpose = purpose_of(vector.text("purpose"));
    const auto verified = verify_chain(read_certificates(vector.list("chain")),
                                       read_certificates(vector.list("anchors")), purpose, rule_of(vector));
    ASSERT_TRUE(verified);
    const auto found = find_profile(verified->path());
    const bool is_foreign = std::holds_alternative<ForeignServerPurpose>(purpose);
    EXPECT_EQ(found.has_value(), !is_foreign);
    if (vector.name == "sound online") EXPECT_EQ(found, ProfileId::operational_device);
    if (vector.name == "sound server") EXPECT_EQ(found, ProfileId::server);
    ours += is_foreign ? 0 : 1;
  }
  EXPECT_GE(ours, 7U);
  EXPECT_FALSE(find_profile({}));
}

TEST(ParseChain, SizeIsBoundedBeforeAnythingIsParsed) {
  const std::vector<Bytes> many(kMaxChainCertificates + 1, Bytes{0x30, 0x00});
  EXPECT_EQ(parse_chain(many).error().reason, Reason::chain_too_long);
  const std::vector<Bytes> large(3, Bytes(kMaxCertificateBytes, 0x30));
  EXPECT_EQ(parse_chain(large).error().reason, Reason::chain_too_long);
  const std::vector<Bytes> garbage(1, Bytes(10, 0x30));
  EXPECT_EQ(parse_chain(garbage).error().reason, Reason::malformed);
}

}  // namespace
}  // namespace sallyport::pki
