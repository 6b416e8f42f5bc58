// What status hosts tell of themselves, as people and monitors see it, and the CRLs that people take away: over a real
// authority, feed and responder.
#include "authority/status_hosts.h"

#include "net/timer.h"
#include "status/host_report.h"
#include "status_role.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::RoleMethod;

net::Task<Json> show(Installation& t, std::shared_ptr<net::RpcPeer> admin) {
  auto answer = co_await t.administer(admin, "status.show", kNothing);
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().detail);
  co_return answer ? *std::move(answer) : Json();
}

Json only_host(const Json& status) {
  const auto hosts = status.at("hosts").value().array().value();
  EXPECT_EQ(hosts.size(), 1U);
  return hosts.empty() ? Json() : hosts.front();
}

std::int64_t count_of(const Json& host, std::string_view what, std::string_view kind) {
  return host.at(what).value().integer_at(kind).value_or(-1);
}

Bytes report_of(const StatusRole& role) {
  const status::CrlShelf shelf;
  return records::encode(
      status::report_of("status-1", kNow, {.state = role.link.snapshot(), .responder = role.responder, .crls = shelf}));
}

// --- what is shown

net::Task<void> shows_what_a_host_told(Installation& t) {
  const auto admin = co_await t.connect("admin");
  const Json before = co_await show(t, admin);
  EXPECT_TRUE(before.at("hosts")->array()->empty()) << "nobody has told of itself yet";
  EXPECT_EQ(before.at("root_crls")->array()->front().text_at("stage").value(), "in-time");

  Watcher console(t, "console");
  CO_ASSERT(co_await console.begin());
  StatusRole role(t);
  CO_ASSERT(co_await role.prepare(kOnlineCa));
  const auto never_issued = pki::SerialNumber::draw(t.random());
  static_cast<void>(role.ask(kOnlineCa, never_issued, Bytes(32, 7)));
  static_cast<void>(role.ask(kOnlineCa, never_issued));
  static_cast<void>(role.ask(records::CaName("web-ca"), never_issued));
  const auto told = co_await role.link.call(RoleMethod::status_report, report_of(role));
  CO_ASSERT(told.has_value());

  const Json host = only_host(co_await show(t, admin));
  EXPECT_EQ(host.text_at("host").value(), "status-1");
  EXPECT_EQ(host.text_at("state").value(), "answering");
  EXPECT_EQ(count_of(host, "answers", "live"), 1);
  EXPECT_EQ(count_of(host, "answers", "on-demand"), 1);
  EXPECT_EQ(count_of(host, "answers", "cached"), 0);
  EXPECT_EQ(count_of(host, "refusals", "no-signer"), 1) << "of web-ca there was no delegate";
  EXPECT_EQ(host.at("snapshot")->integer_at("number").value(),
            static_cast<std::int64_t>(role.link.snapshot().number()));
  const auto signers = host.at("signers")->array().value();
  CO_ASSERT(signers.size() == 1);
  EXPECT_EQ(signers.front().text_at("ca").value(), "online-ca");
  const auto ends = parse_iso8601(signers.front().text_at("not_after").value());
  const auto renews = parse_iso8601(signers.front().text_at("renews_at").value());
  EXPECT_EQ(*ends - *renews, status::kSignerOverlap);
  EXPECT_EQ(host.at("missing_signers")->array()->size(), records::online_ca_names().size() - 1);
  const bool announced =
      std::ranges::any_of(console.announced, [](const Json& one) { return one.text_at("event").value() == "status"; });
  EXPECT_TRUE(announced) << "those who watch look anew";
  console.peer->close();  // it shall not hear of the host's end, which comes when the test has ended
}
TEST(StatusHosts, AreShownWithWhatTheyTold) {
  Installation t;
  run(t, shows_what_a_host_told(t));
}

net::Task<void> shows_that_a_host_went(Installation& t) {
  const auto admin = co_await t.connect("admin");
  auto role = std::make_unique<StatusRole>(t);
  co_await role->link.until_ready();
  CO_ASSERT((co_await role->link.call(RoleMethod::status_report, report_of(*role))).has_value());
  EXPECT_EQ(only_host(co_await show(t, admin)).text_at("state").value(), "answering");
  role.reset();
  const net::Deadline deadline(kCallLimit);
  for (;;) {
    const Json host = only_host(co_await show(t, admin));
    if (host.text_at("state").value() == "gone") break;
    CO_ASSERT(!deadline.passed());
    co_await net::sleep_for(milliseconds(5));
  }
}
TEST(StatusHosts, ThatHaveGoneAreShownAsGone) {
  Installation t;
  run(t, shows_that_a_host_went(t));
}

net::Task<void> is_in_the_metrics(Installation& t) {
  const auto admin = co_await t.connect("admin");
  StatusRole role(t);
  CO_ASSERT(co_await role.prepare(kOnlineCa));
  CO_ASSERT((co_await role.link.call(RoleMethod::status_report, report_of(role))).has_value());
  const auto answer = co_await t.administer(admin, "metrics.show", kNothing);
  CO_ASSERT(answer.has_value());
  const std::string text = answer->text_at("text").value();
  for (const char* wanted :
       {"sallyport_status_lease{host=\"status-1\"} 1\n", "sallyport_status_snapshot_age_seconds{host=\"status-1\"} 0\n",
        "sallyport_status_signer_left_seconds{host=\"status-1\",ca=\"online-ca\"} ",
        "sallyport_status_refusals_total{host=\"status-1\",reason=\"saturated\"} 0\n",
        "sallyport_crl_number{ca=\"root\"} 1\n"}) {
    EXPECT_TRUE(text.contains(wanted)) << wanted << " in " << text;
  }
}
TEST(StatusHosts, AreInTheMetrics) {
  Installation t;
  run(t, is_in_the_metrics(t));
}

// --- who is not believed

net::Task<void> believes_status_alone(Installation& t) {
  const auto admin = co_await t.connect("admin");
  records::StatusReport report;
  report.host = "status-1";
  const Bytes order = records::with_method(RoleMethod::status_report, records::encode(report));
  const auto stranger = co_await t.connect("authority");
  EXPECT_EQ((co_await stranger->call(order, kCallLimit)).error().code, Errc::unauthorized) << "before a subscription";
  Watcher gateway(t, "gateway");
  CO_ASSERT(co_await gateway.begin());
  const auto from_gateway = co_await gateway.call(RoleMethod::status_report, records::encode(report));
  EXPECT_EQ(from_gateway.error().code, Errc::unauthorized) << "subscribed as another role";
  EXPECT_EQ((co_await admin->call(order, kCallLimit)).error().code, Errc::unauthorized) << "an administrator";
  Watcher status(t, "status");
  CO_ASSERT(co_await status.begin());
  report.host = "no host\n";
  const auto malformed = co_await status.call(RoleMethod::status_report, records::encode(report));
  EXPECT_EQ(malformed.error().code, Errc::malformed);
  EXPECT_EQ((co_await status.call(RoleMethod::status_report, Bytes{})).error().code, Errc::malformed);
  EXPECT_TRUE((co_await show(t, admin)).at("hosts")->array()->empty()) << "nothing of this is shown";
}
TEST(StatusHosts, NobodyButAStatusRoleTellsOfThem) {
  Installation t;
  run(t, believes_status_alone(t));
}

net::Task<void> is_not_for_tenants(Installation& t) {
  const auto console = co_await t.connect("authority");
  for (const char* method : {"status.show", "crl.get"}) {
    const auto refused = co_await t.administer(console, method, named("ca", "root"), "acme");
    EXPECT_EQ(refused.error().code, Errc::unauthorized) << method;
  }
  const auto odd = co_await t.administer(console, "status.show", named("host", "status-1"));
  EXPECT_EQ(odd.error().code, Errc::malformed) << "a parameter that it does not know";
}
TEST(StatusHosts, AreForPeopleOfTheInstallationAlone) {
  Installation t;
  run(t, is_not_for_tenants(t));
}

// --- CRLs

net::Task<std::optional<Bytes>> take(Installation& t, std::shared_ptr<net::RpcPeer> admin, std::string ca) {
  const net::Deadline deadline(kCallLimit);
  for (;;) {
    const auto answer = co_await t.administer(admin, "crl.get", named("ca", ca));
    if (answer) {
      EXPECT_EQ(answer->integer_at("count").value(), 1);
      const auto der = codec::decode_base64(answer->text_at("data").value());
      co_return der ? std::optional(*der) : std::nullopt;
    }
    // Right after the start there is none yet.
    if (answer.error().code != Errc::not_found || deadline.passed()) co_return std::nullopt;
    co_await net::sleep_for(milliseconds(5));
  }
}

net::Task<void> gives_lists_out(Installation& t) {
  const auto admin = co_await t.connect("admin");
  const auto root_crl = co_await take(t, admin, "root");
  CO_ASSERT(root_crl.has_value());
  CO_ASSERT(pki::parse_crl(*root_crl).has_value());
  EXPECT_TRUE(pki::verify_crl(*pki::parse_crl(*root_crl), t.root(), pki::TimeRule::clock(kNow)));
  const auto crl = co_await take(t, admin, "online-ca");
  CO_ASSERT(crl.has_value());
  const auto parsed = pki::parse_crl(*crl);
  CO_ASSERT(parsed.has_value());

  const Json status = co_await show(t, admin);
  const auto listed = status.at("crls")->array().value();
  const auto shown =
      std::ranges::find_if(listed, [](const Json& one) { return one.text_at("ca").value() == "online-ca"; });
  CO_ASSERT(shown != listed.end());
  EXPECT_EQ(shown->integer_at("number").value(), static_cast<std::int64_t>(parsed->number()));
  EXPECT_EQ(shown->text_at("next_update").value(), to_iso8601(parsed->next_update()));
  EXPECT_EQ(shown->integer_at("bytes").value(), static_cast<std::int64_t>(crl->size()));
  EXPECT_EQ(shown->text_at("url").value(), "http://status.devices.example/crl/online-ca.crl");
}
TEST(CrlsForPeople, AreThoseThatTheAuthorityMade) {
  Installation t;
  run(t, gives_lists_out(t));
}

net::Task<void> gives_out_nothing_else(Installation& t) {
  const auto admin = co_await t.connect("admin");
  CO_ASSERT((co_await take(t, admin, "online-ca")).has_value());
  for (const char* ca : {"nobody-ca", "local-ca/acme", "", "root@1f", "online-ca@1f", "../root"}) {
    const auto refused = co_await t.administer(admin, "crl.get", named("ca", ca));
    EXPECT_EQ(refused.error().code, Errc::not_found) << ca;
  }
  for (const char* ca : {"root", "online-ca"}) {
    const auto second = co_await t.administer(admin, "crl.get", Json::Object{{"ca", ca}, {"index", 1}});
    EXPECT_EQ(second.error().code, Errc::conflict) << "portion 1 of 1 of " << ca;
    for (const std::int64_t index : {std::int64_t{-1}, std::int64_t{1} << 40}) {
      const auto odd = co_await t.administer(admin, "crl.get", Json::Object{{"ca", ca}, {"index", index}});
      EXPECT_EQ(odd.error().code, Errc::malformed) << index;
    }
  }
  EXPECT_EQ((co_await t.administer(admin, "crl.get", kNothing)).error().code, Errc::malformed);
}
TEST(CrlsForPeople, AreGivenOutOfNobodyElseAndInPiecesThatExist) {
  Installation t;
  run(t, gives_out_nothing_else(t));
}

}  // namespace
}  // namespace sallyport::integration
