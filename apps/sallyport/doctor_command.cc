// sallyport doctor: what is wrong with an installation, before it hurts.
#include <array>

#include "administration.h"
#include "caa_check.h"
#include "commands.h"
#include "crypto/tls.h"
#include "expiry_text.h"
#include "http/client.h"
#include "installation_folder.h"
#include "json_output.h"
#include "net/connect.h"
#include "net/run.h"
#include "net/tls_stream.h"
#include "option_error.h"
#include "pki/verify.h"
#include "settings.h"
#include "store/telemetry_sink.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr milliseconds kProbeLimit{5'000};
constexpr std::uintmax_t kNoSpace = 1U << 20U;       // bytes
constexpr std::uintmax_t kLittleSpace = 64U << 20U;  // bytes
constexpr std::string_view kGood = "ok";
constexpr std::string_view kWarning = "warning";
constexpr std::string_view kBad = "bad";

// What was looked at, in order.
class Findings {
 public:
  void add(std::string_view what, std::string_view verdict, std::string detail) {
    is_bad_ = is_bad_ || verdict == kBad;
    rows_.emplace_back(Json::Object{{"check", what}, {"verdict", verdict}, {"detail", std::move(detail)}});
  }
  // Good with the text, or bad with the error.
  void add(std::string_view what, const Result<std::string>& outcome) {
    if (outcome) {
      add(what, kGood, *outcome);
    } else {
      add(what, kBad, outcome.error().detail);
    }
  }
  bool is_bad() const { return is_bad_; }
  const Json::Array& rows() const { return rows_; }

 private:
  Json::Array rows_;
  bool is_bad_ = false;
};

Result<UnixTime> time_at(const Json& object, std::string_view key) {
  TRY(const auto text, object.text_at(key));
  return parse_iso8601(text);
}

// Says so where writing fails already, or soon will.
void check_space(const std::filesystem::path& folder, Findings& findings) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (error || space.available >= kLittleSpace) return;
  findings.add("disk", space.available < kNoSpace ? kBad : kWarning,
               fmt::format("{} has {} kB left; make room", folder.string(), space.available / 1'024));
}

// Whether the gateway still takes telemetry.
void check_telemetry_room(const std::filesystem::path& folder, Findings& findings) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (error || space.available >= store::telemetry_reserve(space.capacity)) return;
  findings.add("telemetry", kBad,
               fmt::format("{} has {} MB left, of which telemetry takes none; make room", folder.string(),
                           space.available / 1'048'576));
}

// Those that the root has revoked, or that are over.
Result<void> check_authorities(const Json& tree, Findings& findings) {
  TRY(const auto listed, tree.at("authorities"));
  TRY(const auto authorities, listed.array());
  for (const Json& authority : authorities) {
    TRY(const auto name, authority.text_at("name"));
    TRY(const auto state, authority.text_at("state"));
    TRY(const auto until, time_at(authority, "not_after"));
    findings.add(name, state != "valid" ? kBad : kGood, fmt::format("{}, until {}", state, to_iso8601(until)));
  }
  return {};
}

// One link of the chain of trust: the root CRL always, the others when something is to be done about them.
Result<void> check_link(const Json& link, UnixTime now, Findings& findings) {
  TRY(const auto kind, link.text_at("kind"));
  TRY(const auto name, link.text_at("name"));
  TRY(const auto stage, link.text_at("stage"));
  TRY(const auto until, time_at(link, "not_after"));
  TRY(const auto remedy, link.text_at("remedy"));
  TRY(const bool stops, link.boolean_at("stops_the_service"));
  const bool is_root_crl = kind == "root-crl";
  if (stage == "in-time" && !is_root_crl) return {};
  const std::string_view verdict = stage == "in-time" ? kGood : (stage == "ended" && stops ? kBad : kWarning);
  const std::string what = is_root_crl && name == "root" ? "root CRL" : fmt::format("{} {}", kind, name);
  findings.add(what, verdict,
               fmt::format("{} {}, {} left; {}", stage == "ended" ? "ended" : "ends", to_iso8601(until),
                           left_text(until - now), remedy));
  return {};
}

Result<void> check_devices(const Json& expiry, Findings& findings) {
  TRY(const auto devices, expiry.at("operational"));
  TRY(const auto in_time, devices.integer_at("in_time"));
  TRY(const auto due, devices.integer_at("due"));
  TRY(const auto ended, devices.integer_at("ended"));
  findings.add("device certificates", due + ended > 0 ? kWarning : kGood,
               fmt::format("{} in time, {} late with their renewal, {} ended", in_time, due, ended));
  return {};
}

Result<void> check_expiry(const Json& expiry, UnixTime now, Findings& findings) {
  TRY(const auto listed, expiry.at("links"));
  TRY(const auto links, listed.array());
  for (const Json& link : links) TRY_VOID(check_link(link, now, findings));
  return check_devices(expiry, findings);
}

// Nothing is issued by a clock that is behind what was recorded.
Result<void> check_clock(const Json& clock, Findings& findings) {
  TRY(const auto now, clock.text_at("now"));
  TRY(const bool is_behind, clock.boolean_at("behind"));
  if (!is_behind) {
    findings.add("clock", kGood, now);
    return {};
  }
  TRY(const auto latest, clock.text_at("latest_issuance"));
  findings.add(
      "clock", kBad,
      fmt::format("found {}, but a certificate was recorded at {}: nothing is issued until the clock is right; "
                  "if it is right now, run this with --accept-clock",
                  now, latest));
  return {};
}

// A log that cannot be signed stops nothing, and must not stay so.
void check_log(const std::filesystem::path& state, Environment& environment, Findings& findings) {
  const auto answer = administer(state, "log.checkpoint", Json::Object{}, environment);
  if (!answer) return findings.add("log", kWarning, answer.error().error.detail);
  const Json* fault = answer->find("fault");
  if (fault == nullptr || fault->is_null()) return findings.add("log", kGood, "its head is signed");
  const Json* set_back = answer->find("was_set_back");
  const bool was_set_back = set_back != nullptr && set_back->boolean().value_or(false);
  findings.add("log", was_set_back ? kBad : kWarning,
               fmt::format("its head is not signed: {}{}", fault->text().value_or(""),
                           was_set_back ? "; was an older database restored? put the newest back" : ""));
}

// A state that came out of a backup says so until somebody has seen it.
Result<void> check_restored(const Json& restored, Findings& findings) {
  const Json* mark = restored.find("restored");
  if (mark == nullptr || mark->is_null()) return {};
  TRY(const auto at, mark->text_at("at"));
  TRY(const auto created, mark->text_at("created"));
  TRY(const bool is_behind, mark->boolean_at("is_behind"));
  TRY(const auto replaced, mark->at("replaced"));
  const std::string_view lost = is_behind            ? "it replaced a newer state, and what came after is undone"
                                : replaced.is_null() ? "what came after is not known here"
                                                     : "nothing was lost";
  findings.add("restored", kWarning,
               fmt::format("at {} from a backup of {}: {}; say that you know by --accept-restored", at, created, lost));
  return {};
}

net::Task<Result<std::string>> fetch_root_crl(net::Address address, std::string host) {
  CO_TRY(auto stream, co_await net::connect_tcp(address, kProbeLimit));
  http::Client client(std::move(stream), host);
  http::Request request;
  request.target = "/crl/root.crl";
  CO_TRY(const auto response, co_await client.send(std::move(request), kProbeLimit));
  if (response.status != 200) co_return failf(Errc::unavailable, "found status {}, want 200", response.status);
  CO_TRY(const auto crl, pki::parse_crl(response.body));
  co_return fmt::format("serves root CRL number {}", crl.number());
}

Result<std::shared_ptr<crypto::TlsContext>> verifying(const std::vector<pki::Certificate>& roots, const DnsName& name,
                                                      UnixTime now) {
  crypto::TlsClientSettings settings;
  settings.verify_server = [roots, name, now](std::span<const Bytes> chain) -> Result<void> {
    std::vector<pki::Certificate> certificates;
    for (const Bytes& der : chain) {
      TRY(auto certificate, pki::parse_certificate(der));
      certificates.push_back(std::move(certificate));
    }
    auto verified = pki::verify_chain(certificates, roots, pki::ServerPurpose{name}, pki::TimeRule::clock(now));
    if (!verified) return std::unexpected(Error(std::move(verified).error()));
    return {};
  };
  return crypto::TlsContext::client(std::move(settings));
}

net::Task<Result<std::string>> shake_hands(net::Address address, std::shared_ptr<crypto::TlsContext> context,
                                           std::string name) {
  CO_TRY(auto lower, co_await net::connect_tcp(address, kProbeLimit));
  CO_TRY(auto stream, co_await net::tls_connect(std::move(lower), std::move(context), name, kProbeLimit));
  stream->close();
  co_return fmt::format("shows a certificate of {}", name);
}

Result<std::string> probe(net::Task<Result<std::string>> task) {
  net::Io io;
  auto outcome = net::run(io, std::move(task));
  if (!outcome) return fail(Errc::internal, "ended without an answer");
  return *std::move(outcome);
}

void check_ports(const Settings& settings, const std::vector<pki::Certificate>& roots, UnixTime now,
                 Findings& findings) {
  const std::string host = settings.address == "0.0.0.0" || settings.address == "::" ? "127.0.0.1" : settings.address;
  const std::string zone = settings.zone.get();
  findings.add(fmt::format("status, port {}", settings.http_port),
               probe(fetch_root_crl({host, settings.http_port}, "status." + zone)));
  const std::array names{DnsName("gateway." + zone), DnsName("status." + zone), settings.console_name};
  for (const DnsName& name : names) {
    auto context = verifying(roots, name, now);
    if (!context) {
      findings.add(name.get(), kBad, context.error().detail);
      continue;
    }
    findings.add(fmt::format("{}, port {}", name.get(), settings.tls_port),
                 probe(shake_hands({host, settings.tls_port}, *std::move(context), name.get())));
  }
}

Try<CaaQuestion> read_caa_question(const Arguments& arguments, const Settings& settings) {
  CaaQuestion out{.names = {settings.zone, settings.console_name}, .account = std::nullopt, .dns_server = std::nullopt};
  if (const auto account = arguments.find("acme-account")) out.account = std::string(*account);
  if (const auto server = arguments.find("dns-server")) {
    auto address = of_option("--dns-server", net::parse_address(*server));
    if (!address) return std::unexpected(Failure(std::move(address).error(), ExitStatus::usage));
    out.dns_server = *std::move(address);
  }
  return out;
}

// Nobody in between gets a second certificate for a name (docs/threat-model.md). A warning alone, as it is the DNS that
// is to be changed.
void add_caa(const CaaQuestion& question, Findings& findings) {
  for (const CaaFinding& one : check_caa(question))
    findings.add("CAA " + one.name.get(), one.is_good ? kGood : kWarning, one.detail);
}

// All that the authority is asked for. What it does not answer, or in words of another version, is a finding by its
// name.
void check_authority(const std::filesystem::path& state, const Arguments& arguments, Environment& environment,
                     Findings& findings) {
  const auto ask = [&](std::string_view name, std::string_view method, const auto& check) {
    const auto answer = administer(state, method, Json::Object{}, environment);
    const auto checked = answer ? check(*answer) : Result<void>(std::unexpected(answer.error().error));
    if (!checked) findings.add(name, kBad, checked.error().detail);
    return answer.has_value();
  };
  const bool answers = ask("authority", "pki.tree", [&](const Json& tree) {
    findings.add("authority", kGood, "answers");
    return check_authorities(tree, findings);
  });
  if (!answers) return;
  ask("expiry", "pki.expiry",
      [&](const Json& expiry) { return check_expiry(expiry, environment.clock.now(), findings); });
  ask("clock", arguments.flag("accept-clock") ? "clock.accept" : "clock.show",
      [&](const Json& clock) { return check_clock(clock, findings); });
  check_log(state, environment, findings);
  ask("restored", arguments.flag("accept-restored") ? "restored.accept" : "restored.show",
      [&](const Json& restored) { return check_restored(restored, findings); });
}

Outcome doctor(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  Findings findings;
  CLI_TRY_VOID(check_installation(paths));
  CLI_TRY(const auto settings, load_settings_in_state(paths.settings()));
  CLI_TRY(const auto roots, in_state(read_installed_roots(paths)));
  CLI_TRY(const auto caa, read_caa_question(arguments, settings));
  findings.add("state folder", kGood, paths.state.string());
  for (const auto& folder : {paths.state, paths.database().parent_path(), paths.telemetry().parent_path()})
    check_space(folder, findings);
  check_telemetry_room(paths.telemetry().parent_path(), findings);
  check_authority(paths.state, arguments, environment, findings);
  check_ports(settings, roots, environment.clock.now(), findings);
  add_caa(caa, findings);
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"checks", findings.rows()}, {"healthy", !findings.is_bad()}}));
  } else {
    constexpr std::array kColumns = {Column{"VERDICT", "verdict"}, Column{"CHECK", "check"},
                                     Column{"DETAIL", "detail"}};
    print_table(findings.rows(), kColumns);
  }
  if (findings.is_bad()) return std::unexpected(Failure({Errc::internal, "doctor: something is wrong, see above"}));
  return {};
}

}  // namespace

std::vector<Command> doctor_commands() {
  return {
      {.words = "doctor",
       .summary = "look for what is wrong, or will be soon",
       .example = "sallyport doctor --state /var/lib/sallyport",
       .options = {state_option(),
                   {.name = "accept-clock",
                    .help = "issue again by the present clock, though certificates were recorded at a later time"},
                   {.name = "accept-restored", .help = "say no more that this state came out of a backup"},
                   {.name = "acme-account",
                    .value = "URI",
                    .help = "the account that alone may get certificates of public CAs; without it any one account"},
                   {.name = "dns-server",
                    .value = "ADDRESS:PORT",
                    .help = "whom to ask for CAA records; without it this machine's resolver"},
                   json_option()},
       .run = doctor},
  };
}

}  // namespace sallyport::cli
