#include "store/detail/record_database_fixture.h"

namespace sallyport::store {
namespace {

using namespace records;

using PeopleRecordsTest = RecordDatabaseTest;
INSTANTIATE_TEST_SUITE_P(Kinds, PeopleRecordsTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "file" : "memory"; });

TEST_P(PeopleRecordsTest, KeepsUsersAndTheirSessions) {
  UserRecord user{.login = "ada@acme",
                  .tenant = "acme",
                  .role = UserRole::owner,
                  .password_hash = "$argon2id$x",
                  .enabled = true,
                  .created = UnixTime(5)};
  const LoginSessionRecord session{.token_sha256 = digest(1),
                                   .login = user.login,
                                   .csrf_token = Bytes(32, 2),
                                   .created = UnixTime(6),
                                   .expires = UnixTime(7),
                                   .last_used = UnixTime(6)};
  must_write([&](Records& records) { return records.users().add(user); });
  EXPECT_EQ(refused([&](Records& records) { return records.users().add(user); }), Errc::conflict);
  EXPECT_EQ(refused([](Records& records) { return records.users().add({.login = "Not A Login"}); }), Errc::malformed);
  EXPECT_EQ(refused([](Records& records) { return records.users().update({.login = "nobody"}); }), Errc::not_found);
  user.enabled = false;
  user.role = UserRole::viewer;
  must_write([&](Records& records) { return records.users().update(user); });
  must_write([&](Records& records) -> Result<void> {
    auto used = session;
    TRY_VOID(records.users().put_login_session(used));
    used.last_used = UnixTime(9);
    TRY_VOID(records.users().put_login_session(used));
    used.token_sha256 = digest(2);
    return records.users().put_login_session(used);
  });
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.users().find(user.login));
    EXPECT_TRUE(found);
    EXPECT_EQ(found->role, UserRole::viewer);
    EXPECT_EQ(found->tenant, "acme");
    EXPECT_EQ(found->password_hash, user.password_hash);
    EXPECT_FALSE(found->enabled);
    TRY(auto all, records.users().list());
    EXPECT_EQ(all.size(), 1U);
    TRY(auto held, records.users().find_login_session(digest(1)));
    EXPECT_TRUE(held);
    EXPECT_EQ(held->last_used, UnixTime(9));
    EXPECT_EQ(held->csrf_token, session.csrf_token);
    EXPECT_EQ(held->expires, UnixTime(7));
    return {};
  });
  read([&](Records& records) -> Result<void> {
    TRY(const auto expired, records.users().list_login_sessions(UnixTime(7), UnixTime(8), 10));
    EXPECT_EQ(expired.size(), 2U);
    TRY(const auto one, records.users().list_login_sessions(UnixTime(6), UnixTime(9), 1));
    EXPECT_EQ(one.size(), 1U);
    TRY(const auto none, records.users().list_login_sessions(UnixTime(6), UnixTime(8), 10));
    EXPECT_TRUE(none.empty());
    return {};
  });
  must_write([&](Records& records) { return records.users().end_login_session(digest(1)); });
  must_write([&](Records& records) { return records.users().end_login_session(digest(1)); });
  read([&](Records& records) -> Result<void> {
    TRY(auto ended, records.users().find_login_session(digest(1)));
    EXPECT_FALSE(ended);
    TRY(auto other, records.users().find_login_session(digest(2)));
    EXPECT_TRUE(other);
    return {};
  });
  must_write([&](Records& records) { return records.users().end_login_sessions(user.login); });
  read([&](Records& records) -> Result<void> {
    TRY(auto ended, records.users().find_login_session(digest(2)));
    EXPECT_FALSE(ended);
    return {};
  });
}

AuditEntry entry(std::uint64_t sequence) {
  return {.sequence = sequence,
          .time = UnixTime(static_cast<std::int64_t>(sequence)),
          .actor = "ada",
          .action = sequence % 2 == 0 ? "device.claimed" : "site.added",
          .subject = sequence % 3 == 0 ? "three" : "other",
          .detail = "{}",
          .previous = digest(static_cast<std::uint8_t>(sequence - 1)),
          .hash = digest(static_cast<std::uint8_t>(sequence))};
}

TEST_P(PeopleRecordsTest, ChainsTheAuditLog) {
  EXPECT_EQ(refused([](Records& records) { return records.audit().append(entry(2)); }), Errc::conflict);
  for (std::uint64_t sequence = 1; sequence <= 6; ++sequence)
    must_write([&](Records& records) { return records.audit().append(entry(sequence)); });
  EXPECT_EQ(refused([](Records& records) { return records.audit().append(entry(6)); }), Errc::conflict);
  EXPECT_EQ(refused([](Records& records) { return records.audit().append(entry(8)); }), Errc::conflict);
  auto forged = entry(7);
  forged.previous = digest(99);
  EXPECT_EQ(refused([&](Records& records) { return records.audit().append(forged); }), Errc::conflict);
  read([&](Records& records) -> Result<void> {
    TRY(auto head, records.audit().head());
    EXPECT_EQ(head->sequence, 6U);
    EXPECT_EQ(head->hash, digest(6));
    const auto count = [&](const AuditFilter& filter) { return records.audit().list(filter).value().size(); };
    EXPECT_EQ(count({}), 6U);
    EXPECT_EQ(count({.after = 4}), 2U);
    EXPECT_EQ(count({.action = "device."}), 3U);
    EXPECT_EQ(count({.action = "%"}), 0U);
    EXPECT_EQ(count({.subject = "three"}), 2U);
    EXPECT_EQ(count({.action = "device.", .subject = "three"}), 1U);
    EXPECT_EQ(count({.limit = 4}), 4U);
    EXPECT_EQ(records.audit().list({})->front().detail, "{}");
    return {};
  });
}

TEST_P(PeopleRecordsTest, KeepsAccessSessions) {
  AccessSessionRecord session{.grant_id = Bytes(16, 1),
                              .login = "ada",
                              .device = DeviceName("abcdefghij"),
                              .service = ServiceName("web"),
                              .label = GrantLabel("aaaaaaaaaaaaaaaa"),
                              .source = "192.0.2.1",
                              .opened = UnixTime(5)};
  must_write([&](Records& records) { return records.access_sessions().put(session); });
  auto other = session;
  other.grant_id = Bytes(16, 2);
  other.device = DeviceName("zzzzzzzzzz");
  other.opened = UnixTime(6);
  must_write([&](Records& records) { return records.access_sessions().put(other); });
  session.ended = UnixTime(9);
  session.end_reason = "revoked";
  session.bytes_to_device = 1ULL << 40U;
  session.bytes_to_user = 2;
  session.connections = 3;
  must_write([&](Records& records) { return records.access_sessions().put(session); });
  auto broken = session;
  broken.grant_id = Bytes(15, 1);
  EXPECT_EQ(refused([&](Records& records) { return records.access_sessions().put(broken); }), Errc::conflict);
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.access_sessions().find(session.grant_id));
    EXPECT_TRUE(found);
    EXPECT_EQ(found->ended, UnixTime(9));
    EXPECT_EQ(found->end_reason, "revoked");
    EXPECT_EQ(found->bytes_to_device, 1ULL << 40U);
    EXPECT_EQ(found->connections, 3U);
    EXPECT_EQ(found->label, session.label);
    EXPECT_EQ(found->source, "192.0.2.1");
    TRY(auto all, records.access_sessions().list(std::nullopt, false, 10));
    EXPECT_EQ(all.size(), 2U);
    EXPECT_EQ(all.front().device, other.device) << "newest first";
    TRY(auto live, records.access_sessions().list(std::nullopt, true, 10));
    EXPECT_EQ(live.size(), 1U);
    TRY(auto of_device, records.access_sessions().list(session.device, false, 10));
    EXPECT_EQ(of_device.size(), 1U);
    TRY(auto live_of_device, records.access_sessions().list(session.device, true, 10));
    EXPECT_TRUE(live_of_device.empty());
    return {};
  });
}

TEST_P(PeopleRecordsTest, KeepsValues) {
  must_write([](Records& records) { return records.put_value("root-crl", as_bytes("one")); });
  must_write([](Records& records) { return records.put_value("root-crl", as_bytes("two")); });
  must_write([](Records& records) { return records.put_value("empty", {}); });
  read([](Records& records) -> Result<void> {
    TRY(auto crl, records.find_value("root-crl"));
    EXPECT_EQ(as_text(*crl), "two");
    TRY(auto empty, records.find_value("empty"));
    EXPECT_TRUE(empty && empty->empty());
    TRY(auto absent, records.find_value("x"));
    EXPECT_FALSE(absent);
    return {};
  });
}

TEST_P(PeopleRecordsTest, RefusesWritingInARead) {
  const auto result = database_->read([](Records& records) { return records.put_value("x", as_bytes("1")); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::internal);
}

}  // namespace
}  // namespace sallyport::store
