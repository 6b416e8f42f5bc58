// States of any size reach a role in portions, whole or not at all.
#include <cstdlib>

#include "authority/core.h"
#include "crypto/hash.h"
#include "installation.h"
#include "pki/signing_request.h"
#include "pki/snapshot_manifest.h"
#include "records/snapshot.h"
#include "rolelink/role_link.h"

namespace sallyport::integration {
namespace {

using records::RoleMethod;

// More than one frame between roles could carry; with --long the number that issue 4 names.
std::uint32_t fleet_size() {
  const char* value = std::getenv("SALLYPORT_LONG");
  return value != nullptr && std::string_view(value) == "1" ? 1'000'000 : 300'000;
}

records::CertificateSerial serial_of(std::uint32_t number) {
  return records::CertificateSerial(Writer().u64(0x0123456789abcdef).u64(number).take());
}

records::CertificateRecord factory_record(std::uint32_t number) {
  records::CertificateRecord record;
  record.ca = records::local_ca_name(kSite.get());
  record.serial = serial_of(number);
  record.kind = records::CertificateKind::factory;
  record.subject = fmt::format("serial-{:08}.{}", number, kSite.get());
  record.not_before = kNow;
  record.not_after = kNoExpiry;
  record.recorded_at = kNow;
  return record;
}

// Whether a role knows a fleet of `count`, and besides no more than the certificates of the log's key and of the site's
// CA.
bool is_all(const records::SnapshotState& snapshot, std::uint64_t count) {
  return snapshot.certificate_count() >= count && snapshot.certificate_count() <= count + 2;
}

void make_fleet(Installation& t, std::uint32_t count) {
  t.write([count](records::Records& records) -> Result<void> {
    for (std::uint32_t i = 0; i < count; ++i) {
      const records::CertificateRecord record = factory_record(i);
      TRY_VOID(records.certificates().record_intent(record));
      TRY_VOID(records.certificates().record_issued(record.ca, record.serial, Bytes{1}));
    }
    return {};
  });
}

std::unique_ptr<rolelink::RoleLink> link_role(Installation& t, std::string socket) {
  rolelink::Settings settings{
      .role = "gateway", .instance = 0, .authority_socket = std::move(socket), .root = t.root()};
  return std::make_unique<rolelink::RoleLink>(t.io().executor(), t.clock(), t.random(), std::move(settings),
                                              rolelink::Events{});
}

net::Task<void> large_fleet(Installation& t, std::uint32_t count) {
  const auto role = link_role(t, t.socket("authority"));
  const auto other = link_role(t, t.socket("authority"));
  co_await role->until_ready();
  co_await other->until_ready();
  EXPECT_TRUE(is_all(role->snapshot(), count)) << role->snapshot().certificate_count();
  EXPECT_TRUE(is_all(other->snapshot(), count)) << other->snapshot().certificate_count();
  EXPECT_TRUE(role->has_lease());
  const records::CaName ca = records::local_ca_name(kSite.get());
  CO_ASSERT(role->snapshot().find_certificate(ca, serial_of(count - 1)).has_value());

  // What follows is a small change on top of it.
  const auto admin = co_await t.connect("admin");
  const auto serial = pki::SerialNumber::from_content(serial_of(7).get());
  CO_ASSERT(serial.has_value());
  const codec::Json order(
      codec::Json::Object{{"ca", ca.get()}, {"serial", serial->hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  EXPECT_TRUE(role->snapshot().find_certificate(ca, serial_of(7))->revoked_at.has_value());
  EXPECT_TRUE(other->snapshot().find_certificate(ca, serial_of(7))->revoked_at.has_value());
}
TEST(Snapshots, AFleetThatFillsManyFramesReachesEveryRole) {
  Installation t;
  const std::uint32_t count = fleet_size();
  make_fleet(t, count);
  run(t, large_fleet(t, count));
}

// A change that no frame could carry: the import of a ledger, say.
net::Task<void> large_change(Installation& t, std::uint32_t count) {
  const auto role = link_role(t, t.socket("authority"));
  co_await role->until_ready();
  EXPECT_TRUE(is_all(role->snapshot(), 0)) << role->snapshot().certificate_count();
  make_fleet(t, count);
  const auto admin = co_await t.connect("admin");
  const Bytes crl = t.make_root_crl(2);
  const codec::Json order(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", crl)}});
  CO_ASSERT((co_await t.administer(admin, "root.install_crl", order)).has_value());
  EXPECT_TRUE(is_all(role->snapshot(), count)) << role->snapshot().certificate_count();
  EXPECT_EQ(to_bytes(role->snapshot().root_crl()), crl);
}
TEST(Snapshots, AChangeThatFillsManyFramesIsInForceBeforeItIsAcknowledged) {
  Installation t;
  run(t, large_change(t, 100'000));
}

net::Task<void> portions_are_for_who_was_told(Installation& t) {
  const auto role = co_await t.connect("authority");
  const auto portion = [](std::uint64_t number, std::uint32_t index) {
    return records::with_method(RoleMethod::snapshot_portion,
                                records::encode(records::SnapshotPortionRequest{number, index}));
  };
  auto early = co_await role->call(portion(1, 0), kCallLimit);
  CO_ASSERT(!early.has_value());
  EXPECT_EQ(early.error().code, Errc::not_found);
  Bytes subscribe = records::with_method(RoleMethod::subscribe, records::encode(records::Subscribe{"gateway", 0, 0}));
  CO_ASSERT((co_await role->call(std::move(subscribe), kCallLimit)).has_value());
  std::uint64_t number = 0;
  t.read([&](records::Records& records) -> Result<void> {
    TRY(number, records.change_number());
    return {};
  });
  EXPECT_TRUE((co_await role->call(portion(number, 1), kCallLimit)).has_value());
  EXPECT_FALSE((co_await role->call(portion(number, 1'000), kCallLimit)).has_value());
  EXPECT_FALSE((co_await role->call(portion(number + 1, 1), kCallLimit)).has_value());
}
TEST(Snapshots, APortionIsGivenToWhoWasToldOfItsUpdate) {
  Installation t;
  make_fleet(t, 30'000);
  run(t, portions_are_for_who_was_told(t));
}

// An authority whose manifest names two portions and that answers with what the test says.
class OddAuthority {
 public:
  OddAuthority(Installation& t, std::optional<Bytes> answer)
      : t_(t),
        core_(t.io().executor(), t.database(), t.clock(), t.random(), t.socket("signer")),
        answer_(std::move(answer)),
        listener_(*net::Listener::unix_socket(t.io().executor(), t.socket("odd"))) {
    net::spawn(t.io().executor(), serve(), "test.odd");
  }

  Bytes second_portion() const { return portions_.back(); }
  std::size_t subscriptions = 0;
  std::size_t asked = 0;

  net::Task<Result<void>> prepare() {
    records::SnapshotUpdate head{.number = 5, .base = 0, .issued_at = kNow, .cas = {}, .root_crl = t_.make_root_crl(1)};
    head.cas = {{records::CaName("root"), to_bytes(t_.root().der())}};
    records::SnapshotWriter writer(head);
    for (std::uint32_t i = 0; i < 30'000; ++i) {
      writer.add({records::CaName("root"), serial_of(i), records::CertificateKind::ca, "a CA", kNoExpiry, std::nullopt,
                  records::RevocationReason::unspecified});
    }
    portions_ = writer.take();
    EXPECT_EQ(portions_.size(), 2U);
    pki::SnapshotManifest manifest{5, 0, kNow, {}};
    manifest.issued_at = t_.clock().now();
    for (const Bytes& portion : portions_) manifest.portions.push_back(crypto::sha256(portion));
    pki::SigningRequest request(pki::SignObject{pki::ControlKind::snapshot, pki::encode_snapshot_manifest(manifest)});
    CO_TRY(auto sealed, co_await core_.sign(std::move(request)));
    event_ = records::encode(records::SnapshotEvent{std::get<pki::SealedObject>(sealed).bytes, portions_.front()});
    co_return Result<void>{};
  }
  void answer_with(Bytes portion) { answer_ = std::move(portion); }
  void close() { listener_->close(); }

 private:
  net::Task<void> serve() {
    for (;;) {
      auto stream = co_await listener_->accept(net::Deadline::never());
      if (!stream) co_return;
      net::RpcOptions options;
      options.max_frame = records::kMaxRoleMessage;
      options.on_request = [this](Bytes request, net::Caller caller) {
        return answer(std::move(request), caller.peer);
      };
      net::spawn(t_.io().executor(), net::serve_rpc(*std::move(stream), std::move(options)), "test.odd-peer");
    }
  }
  net::Task<Result<Bytes>> answer(Bytes request, std::shared_ptr<net::RpcPeer> peer) {
    ByteView fields = request;
    CO_TRY(auto method, records::take_method(fields));
    if (static_cast<RoleMethod>(method) == RoleMethod::subscribe) {
      ++subscriptions;
      CO_TRY_VOID(peer->send_event(records::with_event(records::RoleEvent::update, event_)));
      co_return Bytes{};
    }
    if (static_cast<RoleMethod>(method) != RoleMethod::snapshot_portion) co_return Bytes{};
    ++asked;
    if (!answer_) co_return fail(Errc::unavailable, "not now");
    co_return *answer_;
  }

  Installation& t_;
  authority::Core core_;
  std::optional<Bytes> answer_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<Bytes> portions_;
  Bytes event_;
};

net::Task<void> altered_portion(Installation& t, OddAuthority& odd) {
  CO_ASSERT((co_await odd.prepare()).has_value());
  Bytes altered = odd.second_portion();
  altered.back() ^= 1U;  // still a portion, about other devices
  odd.answer_with(altered);
  const auto role = link_role(t, t.socket("odd"));
  const net::Deadline deadline(kCallLimit);
  while (odd.subscriptions < 2 && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  EXPECT_GE(odd.asked, 1U);
  EXPECT_GE(odd.subscriptions, 2U) << "who sends such a portion has lost the connection";
  EXPECT_EQ(role->snapshot().number(), 0U);
  EXPECT_EQ(role->snapshot().certificate_count(), 0U) << "the good first portion alone is nothing";
  EXPECT_FALSE(role->has_lease());
  odd.answer_with(odd.second_portion());
  while (role->snapshot().number() == 0 && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  EXPECT_EQ(role->snapshot().certificate_count(), 30'000U);
  odd.close();
}
TEST(Snapshots, APortionThatTheManifestDoesNotNameIsRefusedAndNothingIsTaken) {
  Installation t;
  OddAuthority odd(t, std::nullopt);
  run(t, altered_portion(t, odd));
}

// A database that throws when it is told to.
class FlakyDatabase final : public records::RecordDatabase {
 public:
  explicit FlakyDatabase(records::RecordDatabase& behind) : behind_(behind) {}
  void write(Work work, Done done) override { behind_.write(std::move(work), std::move(done)); }
  Result<void> write_and_wait(Work work) override { return behind_.write_and_wait(std::move(work)); }
  Result<void> read(const Work& work) const override {
    ++reads;
    if (std::exchange(throw_next, false)) throw std::bad_alloc();
    return behind_.read(work);
  }
  std::uint64_t commit_count() const override { return behind_.commit_count(); }
  mutable std::size_t reads = 0;
  mutable bool throw_next = false;

 private:
  records::RecordDatabase& behind_;
};

net::Task<void> goes_on_publishing(FlakyDatabase& database, authority::Core& core) {
  database.reads = 0;
  database.throw_next = true;
  core.feed().changed();
  const net::Deadline deadline(kCallLimit);
  while (database.reads < 2 && !deadline.passed()) co_await net::sleep_for(milliseconds(5));
  EXPECT_FALSE(database.throw_next);
  EXPECT_GE(database.reads, 2U) << "the round is made again";
}
TEST(Snapshots, WhatIsThrownInARoundOfPublishingDoesNotEndIt) {
  Installation t;
  FlakyDatabase database(t.database());
  authority::Core core(t.io().executor(), database, t.clock(), t.random(), t.socket("signer"));
  ASSERT_TRUE(core.reload_installation());
  run(t, goes_on_publishing(database, core));
}

}  // namespace
}  // namespace sallyport::integration
