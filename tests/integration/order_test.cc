// Orders of the offline root at the status role, whose authority knows nothing of them or says the contrary (DESIGN §5,
// ADR 0019).
#include <algorithm>

#include "cable.h"
#include "status/order_desk.h"
#include "status_role.h"

namespace sallyport::integration {
namespace {

const records::CaName kControlCa("control-ca");
constexpr std::size_t kDevices = 2;

bool is_good(const pki::CertificateStatus& status) {
  return std::holds_alternative<pki::GoodStatus>(status);
}
bool is_revoked(const pki::CertificateStatus& status) {
  return std::holds_alternative<pki::RevokedStatus>(status);
}

// A status role on the end of a cable, with a book of orders on disk, and enrolled devices.
struct OrderScene {
  explicit OrderScene(Installation& installation)
      : t(installation), cable(t.io().executor(), t.socket("cable"), t.socket("authority")) {
    std::string name = (std::filesystem::temp_directory_path() / "sallyport-orders-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    open_role();
  }
  ~OrderScene() {
    role.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  // As the process does that was started again: nothing is left but what is on disk.
  void open_role() {
    role.reset();
    desk.reset();
    auto opened = status::OrderBook::open({.folder = folder, .installation = "test", .roots = {t.root()}});
    EXPECT_TRUE(opened) << opened.error().detail;
    book = std::make_unique<status::OrderBook>(*std::move(opened));
    role = std::make_unique<StatusRole>(t, cable.path(), book.get());
    desk = std::make_unique<status::OrderDesk>(
        status::OrderDesk::Settings{.clock = t.clock(),
                                    .orders = *book,
                                    .root_crls_at_hand = [this] { return role->link.snapshot().root_crls(); },
                                    .on_taken =
                                        [this] {
                                          role->responder.use_orders();
                                          role->link.recheck_signer();
                                        }});
  }
  net::Task<bool> prepare() {
    if (!co_await role->prepare(kOnlineCa)) co_return false;
    if (!co_await role->prepare(kControlCa)) co_return false;
    if (!devices.empty()) co_return true;
    const auto gateway = co_await t.connect("authority");
    for (std::size_t i = 0; i < kDevices; ++i) {
      auto key = crypto::PrivateKey::generate();
      auto device = co_await enrolled(t, gateway, fmt::format("d-{}", i), key);
      if (!device) co_return false;
      devices.push_back(*device);
    }
    co_return co_await until([this] { return is_good(ask(devices.back())); });
  }
  pki::CertificateStatus ask(const pki::Certificate& device) const { return role->status(kOnlineCa, device.serial()); }
  pki::Certificate ca(const records::CaName& name) const {
    return *pki::parse_certificate(role->link.snapshot().find_ca(name)->certificate);
  }
  pki::RootOrder order(std::uint64_t number, const records::CaName& name,
                       std::optional<pki::SerialNumber> serial) const {
    return {.number = number,
            .installation = "test",
            .issued_at = t.clock().now(),
            .ca = name.get(),
            .ca_key = ca(name).spki_sha256(),
            .serial = serial,
            .reason = pki::RevocationReason::key_compromise};
  }
  bool hand_in(status::DeskRequest kind, const Bytes& body) const {
    Bytes request{static_cast<std::uint8_t>(kind)};
    append(request, body);
    const auto answer = desk->handle(request);
    return answer && *answer->boolean_at("taken");
  }
  bool hand_in(const pki::RootOrder& what) const { return hand_in(status::DeskRequest::order, t.seal_order(what)); }
  // Something else is enrolled, which makes another snapshot; returns when it has come.
  net::Task<bool> next_snapshot() {
    const auto number = role->link.snapshot().number();
    const auto gateway = co_await t.connect("authority");
    auto key = crypto::PrivateKey::generate();
    if (!co_await enrolled(t, gateway, fmt::format("n-{}", number), key)) co_return false;
    co_return co_await until([&] { return role->link.snapshot().number() > number; });
  }

  Installation& t;
  Cable cable;
  std::filesystem::path folder;
  std::unique_ptr<status::OrderBook> book;
  std::unique_ptr<StatusRole> role;
  std::unique_ptr<status::OrderDesk> desk;
  std::vector<pki::Certificate> devices;
};

net::Task<void> an_order_is_carried_out_and_stays(Installation& t) {
  OrderScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  const auto& [kept, revoked] = std::tie(scene.devices[0], scene.devices[1]);
  CO_ASSERT(scene.hand_in(scene.order(1, kOnlineCa, revoked.serial())));
  EXPECT_TRUE(is_revoked(scene.ask(revoked))) << "the good answer of a moment ago is forgotten";
  EXPECT_TRUE(is_good(scene.ask(kept)));
  const auto told = scene.role->ask(kOnlineCa, revoked.serial(), Bytes(32, 7));
  CO_ASSERT(told.answer.responses.size() == 1);
  EXPECT_TRUE(is_revoked(told.answer.responses.front().status)) << "with a nonce";
  CO_ASSERT(co_await scene.next_snapshot());
  EXPECT_TRUE(is_revoked(scene.ask(revoked))) << "another snapshot, in which it is good";

  scene.cable.cut();
  t.clock().advance(kLapse);
  EXPECT_FALSE(scene.role->link.has_lease());
  EXPECT_TRUE(is_revoked(scene.ask(revoked))) << "without a lease";
  EXPECT_EQ(scene.role->ask(kOnlineCa, kept.serial()).status, pki::OcspResponseStatus::try_later);
  scene.cable.mend();

  scene.open_role();
  CO_ASSERT(co_await scene.prepare());
  EXPECT_TRUE(is_revoked(scene.ask(revoked))) << "after a restart, from a whole snapshot in which it is good";
  CO_ASSERT(co_await until([&] { return is_good(scene.ask(kept)); }));
  EXPECT_FALSE(scene.hand_in(scene.order(1, kOnlineCa, revoked.serial()))) << "known";
}
TEST(RootOrders, AreCarriedOutWithAndWithoutALeaseAndNoSnapshotTakesThemBack) {
  Installation t;
  run(t, an_order_is_carried_out_and_stays(t));
}

net::Task<void> an_order_needs_no_record(Installation& t) {
  OrderScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  const auto never_recorded = pki::SerialNumber::draw(t.random());
  EXPECT_TRUE(std::holds_alternative<pki::UnknownStatus>(scene.role->status(kOnlineCa, never_recorded)));
  CO_ASSERT(scene.hand_in(scene.order(1, kOnlineCa, never_recorded)));
  EXPECT_TRUE(is_revoked(scene.role->status(kOnlineCa, never_recorded)))
      << "whoever stole the CA's key made it, and the authority knows nothing of it";
  EXPECT_TRUE(
      std::holds_alternative<pki::UnknownStatus>(scene.role->status(kOnlineCa, pki::SerialNumber::draw(t.random()))));
}
TEST(RootOrders, AreCarriedOutOnCertificatesThatNobodyRecorded) {
  Installation t;
  run(t, an_order_needs_no_record(t));
}

net::Task<void> an_order_on_a_ca(Installation& t) {
  OrderScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  CO_ASSERT(scene.hand_in(scene.order(1, kOnlineCa, std::nullopt)));
  for (const auto& device : scene.devices) EXPECT_TRUE(is_revoked(scene.ask(device)));
  EXPECT_TRUE(is_revoked(scene.role->status(kOnlineCa, pki::SerialNumber::draw(t.random()))));
  CO_ASSERT(co_await scene.next_snapshot());
  for (const auto& device : scene.devices) EXPECT_TRUE(is_revoked(scene.ask(device)));
  EXPECT_TRUE(scene.role->link.has_lease()) << "another CA's certificates are not concerned";
}
TEST(RootOrders, OnACaRevokeAllThatItHasIssuedAndWillIssue) {
  Installation t;
  run(t, an_order_on_a_ca(t));
}

net::Task<void> an_order_on_the_feeds_signer(Installation& t, bool by_crl) {
  OrderScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  CO_ASSERT(scene.role->link.has_lease());
  const auto device = scene.devices.front();
  if (by_crl) {
    CO_ASSERT(scene.hand_in(status::DeskRequest::root_crl, t.make_root_crl(2, scene.ca(kControlCa).serial())));
  } else {
    CO_ASSERT(scene.hand_in(scene.order(1, kControlCa, std::nullopt)));
  }
  EXPECT_FALSE(scene.role->link.has_lease()) << "who signs snapshots is believed no more";
  EXPECT_EQ(scene.role->ask(kOnlineCa, device.serial()).status, pki::OcspResponseStatus::try_later);
  const auto number = scene.role->link.snapshot().number();
  t.clock().advance(kLapse);  // the authority waits for a role that does not confirm no longer than its lease
  const auto gateway = co_await t.connect("authority");
  auto key = crypto::PrivateKey::generate();
  CO_ASSERT((co_await enrolled(t, gateway, "later", key)).has_value());
  CO_ASSERT(co_await until([&] { return scene.role->disconnects > 0; }));
  EXPECT_EQ(scene.role->link.snapshot().number(), number) << "a snapshot by a signer that the root has revoked";
  EXPECT_FALSE(scene.role->link.has_lease());
}
TEST(RootOrders, OnControlCaEndTheLeaseAndEverySnapshotOfIts) {
  Installation t;
  run(t, an_order_on_the_feeds_signer(t, false));
}
TEST(RootOrders, ARootCrlThatListsControlCaDoesTheSame) {
  Installation t;
  run(t, an_order_on_the_feeds_signer(t, true));
}

std::optional<std::uint64_t> told_number(const OrderScene& scene) {
  const auto response = scene.role->ask(kControlCa, pki::SerialNumber::draw(scene.t.random()), Bytes(32, 7));
  return response.answer.responses.size() == 1 ? response.answer.responses.front().crl_number : std::nullopt;
}

net::Task<void> a_root_crl_is_told(Installation& t) {
  OrderScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  EXPECT_EQ(told_number(scene), 1U);
  CO_ASSERT(scene.hand_in(status::DeskRequest::root_crl, t.make_root_crl(5)));
  EXPECT_EQ(told_number(scene), 5U);
  CO_ASSERT(co_await scene.next_snapshot());
  EXPECT_EQ(told_number(scene), 5U) << "a newer snapshot with the older CRL";
  EXPECT_FALSE(scene.hand_in(status::DeskRequest::root_crl, t.make_root_crl(4))) << "the number never falls";
  t.clock().advance(kLapse);
  scene.open_role();
  CO_ASSERT(co_await scene.prepare());
  EXPECT_EQ(told_number(scene), 5U) << "nor over a restart";
  const auto admin = co_await t.connect("admin");
  const codec::Json crl(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(6))}});
  CO_ASSERT((co_await t.administer(admin, "root.install_crl", crl)).has_value());
  CO_ASSERT(co_await until([&] { return told_number(scene) == 6U; }));
}
TEST(RootOrders, ARootCrlThatIsHandedInIsToldUntilTheAuthorityHasANewerOne) {
  Installation t;
  run(t, a_root_crl_is_told(t));
}

net::Task<void> what_the_desk_refuses(Installation& t) {
  OrderScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  const auto& device = scene.devices.front();
  auto elsewhere = scene.order(1, kOnlineCa, device.serial());
  elsewhere.installation = "another";
  Installation stranger;
  Bytes altered = t.seal_order(scene.order(1, kOnlineCa, device.serial()));
  altered[altered.size() - 5] ^= 1U;
  using status::DeskRequest;
  const std::pair<DeskRequest, Bytes> table[] = {
      {DeskRequest::order, t.seal_order(elsewhere)},
      {DeskRequest::order, stranger.seal_order(scene.order(1, kOnlineCa, device.serial()))},
      {DeskRequest::order, altered},
      {DeskRequest::order, t.make_root_crl(5)},
      {DeskRequest::order, t.make_permit(5)},
      {DeskRequest::order, Bytes()},
      {DeskRequest::root_crl, stranger.make_root_crl(5)},
      {DeskRequest::root_crl, t.make_root_crl(1, device.serial())},
      {DeskRequest::root_crl, t.seal_order(scene.order(1, kOnlineCa, device.serial()))},
      {DeskRequest::list, to_bytes("more")},
      {static_cast<DeskRequest>(4), {}},
      {static_cast<DeskRequest>(0), {}},
  };
  for (const auto& [kind, body] : table) {
    SCOPED_TRACE(static_cast<std::size_t>(&body - &table[0].second));
    Bytes request{static_cast<std::uint8_t>(kind)};
    append(request, body);
    EXPECT_FALSE(scene.desk->handle(request));
  }
  EXPECT_FALSE(scene.desk->handle({})) << "nothing at all";
  EXPECT_TRUE(is_good(scene.ask(device)));
  const auto listed = scene.desk->handle(Bytes{static_cast<std::uint8_t>(DeskRequest::list)});
  CO_ASSERT(listed.has_value());
  EXPECT_EQ(listed->write(), R"({"orders":[],"root_crls":[]})");
}
TEST(RootOrders, WhateverElseIsHandedInIsRefusedAndChangesNothing) {
  Installation t;
  run(t, what_the_desk_refuses(t));
}

}  // namespace
}  // namespace sallyport::integration
