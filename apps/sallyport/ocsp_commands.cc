// sallyport ocsp check, sallyport ocsp status: what the status service says of a certificate, and how it is.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "administration.h"
#include "base/random.h"
#include "certificate_text.h"
#include "commands.h"
#include "folders.h"
#include "installation_folder.h"
#include "json_output.h"
#include "ocsp_question.h"
#include "settings.h"
#include "span_text.h"
#include "status_text.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

// What is asked about, as a person named it.
struct Subject {
  std::string title;
  std::vector<std::string> names;  // that its certificate carries
  pki::SerialNumber serial;
  pki::Certificate issuer;
  std::string url;  // where its certificate says; empty: nowhere
};

Failure usage(std::string_view text) {
  return {Error{Errc::malformed, std::string(text)}, ExitStatus::usage};
}

bool is_issuer(const pki::Certificate& candidate, const pki::Certificate& leaf) {
  return candidate.subject() == leaf.issuer() &&
         candidate.public_key().verify(leaf.signature_scheme(), leaf.tbs(), leaf.signature());
}

// The CAs of the installation, those that were replaced too; none where there is none.
std::vector<pki::Certificate> installed_cas(const InstallationPaths& paths) {
  std::vector<pki::Certificate> out;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(paths.trust(), none)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".pem") || name.ends_with(".twin.pem")) continue;
    if (const auto all = read_certificates(entry.path())) out.insert(out.end(), all->begin(), all->end());
  }
  return out;
}

Result<pki::Certificate> find_issuer(const Arguments& arguments, const CertificateFile& file) {
  const pki::Certificate& leaf = file.certificates.front();
  std::vector<pki::Certificate> candidates;
  if (const auto given = arguments.find("issuer")) {
    TRY(candidates, read_certificates(*given));
    if (candidates.empty()) return failf(Errc::not_found, "{}: found no certificate in it", *given);
  } else {
    candidates.assign(file.certificates.begin() + 1, file.certificates.end());
    std::ranges::copy(installed_cas({arguments.path("state")}), std::back_inserter(candidates));
  }
  for (const pki::Certificate& candidate : candidates) {
    if (is_issuer(candidate, leaf)) return candidate;
  }
  return failf(Errc::not_found, "issuer of {}: found it neither with the certificate nor in {}, want --issuer FILE",
               title_of(leaf), arguments.find("issuer").value_or(arguments.text("state")));
}

Try<Subject> subject_of_file(const Arguments& arguments, const std::string& path) {
  TRY(const auto file, read_certificate_file(path));
  if (file.certificates.empty() || file.first_is_unusable)
    return std::unexpected(Failure(file.unusable.front(), ExitStatus::failed));
  const pki::Certificate& leaf = file.certificates.front();
  TRY(auto issuer, find_issuer(arguments, file));
  const auto& urls = leaf.extensions().ocsp_urls;
  return Subject{.title = title_of(leaf),
                 .names = names_of(leaf),
                 .serial = leaf.serial(),
                 .issuer = std::move(issuer),
                 .url = urls.empty() ? std::string() : urls.front()};
}

// "4c:1F:0e" and "4c1f0e".
Result<pki::SerialNumber> parse_serial(std::string text) {
  std::erase(text, ':');
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  auto serial = pki::SerialNumber::parse_hex(text);
  if (!serial) return failf(Errc::malformed, "--serial: found '{}', want it in hexadecimal", text);
  return serial;
}

Try<Subject> subject_by_number(const Arguments& arguments, const std::string& ca, const std::string& serial) {
  const InstallationPaths paths{arguments.path("state")};
  CLI_TRY_VOID(check_state(paths.state, kInstallationFormat));
  const bool is_name = !ca.empty() && ca.find_first_of("/.") == std::string::npos;
  const std::filesystem::path file = paths.trust() / (ca + ".pem");
  if (!is_name || !std::filesystem::exists(file)) {
    return std::unexpected(
        Failure(failf(Errc::not_found, "--ca: found '{}', want a CA of the installation", ca).error()));
  }
  TRY(auto number, parse_serial(serial));
  TRY(auto issuer, read_certificate(file));
  CLI_TRY(const auto settings, load_settings_in_state(paths.settings()));
  return Subject{.title = "certificate of " + ca,
                 .names = {},
                 .serial = number,
                 .issuer = std::move(issuer),
                 .url = "http://status." + settings.zone.get() + "/ocsp"};
}

Try<Subject> read_subject(const Arguments& arguments) {
  const auto file = arguments.find("FILE");
  const auto ca = arguments.find("ca");
  const auto serial = arguments.find("serial");
  if (file && !ca && !serial) return subject_of_file(arguments, *file);
  if (!file && ca && serial && !arguments.find("issuer")) return subject_by_number(arguments, *ca, *serial);
  return std::unexpected(usage("ocsp check: want FILE, or --ca and --serial, whose issuer is known"));
}

Try<OcspQuestion> read_question(const Arguments& arguments, const Subject& subject, Random& random) {
  const std::string url = arguments.find("url").value_or(subject.url);
  if (url.empty())
    return std::unexpected(usage("ocsp check: the certificate names no responder, want --url http://HOST/PATH"));
  auto where = parse_responder_url(url);
  if (!where) return std::unexpected(Failure(std::move(where).error(), ExitStatus::usage));
  OcspQuestion question{.issuer = subject.issuer,
                        .serial = subject.serial,
                        .url = *std::move(where),
                        .connect_to = std::nullopt,
                        .nonce = std::nullopt,
                        .hash = arguments.flag("sha1") ? pki::CertIdHash::sha1 : pki::CertIdHash::sha256,
                        .foreign = arguments.flag("foreign")};
  if (!arguments.flag("no-nonce")) question.nonce = random.bytes(pki::kOcspNonceSize);
  if (const auto given = arguments.find("connect-to")) {
    auto address = net::parse_address(*given);
    if (!address) return std::unexpected(Failure(std::move(address).error().at("--connect-to"), ExitStatus::usage));
    question.connect_to = *address;
  }
  return question;
}

void line(std::string_view title, std::string_view text) {
  fmt::print("{:<13}{}\n", title, text);
}

std::string time_text(UnixTime time, UnixTime now) {
  return fmt::format("{} ({})", to_iso8601(time), when_text(time, now));
}

void print_proven(const OcspQuestion& question, const OcspJudgement& judgement, UnixTime now) {
  const pki::SingleResponse* said = judgement.proven();
  if (said == nullptr) return;
  if (const auto* revoked = std::get_if<pki::RevokedStatus>(&said->status))
    line("since", fmt::format("{}, {}", time_text(revoked->at, now), name_of(revoked->reason)));
  line("this update", time_text(said->this_update, now));
  line("next update", said->next_update ? time_text(*said->next_update, now) : "not said");
  line("nonce", question.nonce ? "ours, so this was said just now" : "none asked for: the answer may have been kept");
  const pki::Certificate& signer = *judgement.signer;
  line("signed by", fmt::format("{}, serial {}", shown(title_of(signer)), signer.serial().hex()));
  line("", fmt::format("from {} until {}, {} left", to_iso8601(signer.validity().not_before),
                       to_iso8601(signer.validity().not_after), span_text(signer.validity().not_after - now)));
  if (said->crl_number) line("root CRL", fmt::format("number {} is the newest", *said->crl_number));
}

void print_judgement(const Subject& subject, const OcspQuestion& question, const OcspExchange& exchange,
                     const OcspJudgement& judgement, UnixTime now) {
  line(to_string(judgement.verdict), shown(subject.title));
  if (!subject.names.empty()) line("names", shown(fmt::format("{}", fmt::join(subject.names, ", "))));
  line("serial", fmt::format("{} of {}", subject.serial.hex(), shown(title_of(subject.issuer))));
  line("asked",
       fmt::format("{}: {} bytes after {} ms", question.url.text, exchange.answer.size(), exchange.took.count()));
  print_proven(question, judgement, now);
  if (judgement.proven() == nullptr && judgement.reason) {
    line("reason", fmt::format("{}: {}", pki::to_string(*judgement.reason), pki::in_words(*judgement.reason)));
    line("found", shown(judgement.detail));
  }
}

Json::Object question_json(const Subject& subject, const OcspQuestion& question) {
  return {{"subject", subject.title},
          {"serial", subject.serial.hex()},
          {"issuer", title_of(subject.issuer)},
          {"url", question.url.text},
          {"nonce", question.nonce.has_value()},
          {"verdict", nullptr},
          {"reason", nullptr},
          {"words", nullptr},
          {"detail", nullptr},
          {"milliseconds", nullptr},
          {"bytes", nullptr},
          {"revoked_at", nullptr},
          {"revocation_reason", nullptr},
          {"this_update", nullptr},
          {"next_update", nullptr},
          {"produced_at", nullptr},
          {"root_crl_number", nullptr},
          {"signer", nullptr}};
}

void add_proven(Json::Object& out, const OcspJudgement& judgement) {
  const pki::SingleResponse* said = judgement.proven();
  if (said == nullptr) return;
  if (const auto* revoked = std::get_if<pki::RevokedStatus>(&said->status)) {
    out["revoked_at"] = to_iso8601(revoked->at);
    out["revocation_reason"] = name_of(revoked->reason);
  }
  out["this_update"] = to_iso8601(said->this_update);
  if (said->next_update) out["next_update"] = to_iso8601(*said->next_update);
  out["produced_at"] = to_iso8601(judgement.response->answer.produced_at);
  if (said->crl_number) out["root_crl_number"] = *said->crl_number;
  out["signer"] = to_json(*judgement.signer);
}

Json judgement_json(const Subject& subject, const OcspQuestion& question, const OcspExchange& exchange,
                    const OcspJudgement& judgement) {
  Json::Object out = question_json(subject, question);
  out["verdict"] = to_string(judgement.verdict);
  out["milliseconds"] = std::int64_t{exchange.took.count()};
  out["bytes"] = std::uint64_t{exchange.answer.size()};
  if (judgement.reason) {
    out["reason"] = pki::to_string(*judgement.reason);
    out["words"] = pki::in_words(*judgement.reason);
    out["detail"] = judgement.detail;
  }
  add_proven(out, judgement);
  return out;
}

Outcome outcome_of(const OcspJudgement& judgement) {
  if (judgement.verdict == OcspVerdict::good) return {};
  const bool none = judgement.verdict == OcspVerdict::no_answer;
  Error error{
      none ? Errc::unavailable : Errc::unauthorized,
      fmt::format("{}: {}: {}", to_string(judgement.verdict), pki::to_string(*judgement.reason), judgement.detail)};
  return std::unexpected(Failure(std::move(error), none ? ExitStatus::unreachable : ExitStatus::refused));
}

Outcome ocsp_check(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto subject, read_subject(arguments));
  CLI_TRY(const auto question, read_question(arguments, subject, environment.random));
  auto exchange = ask_responder(question, environment.clock);
  if (!exchange) {
    if (!question.connect_to) exchange.error().detail += "; --connect-to HOST:PORT asks there instead";
    Json::Object out = question_json(subject, question);
    out["verdict"] = "unreachable";
    out["detail"] = exchange.error().detail;
    if (arguments.flag("json")) print_json(Json(std::move(out)));
    return std::unexpected(Failure(std::move(exchange).error(), ExitStatus::unreachable));
  }
  const UnixTime now = environment.clock.now();
  const OcspJudgement judgement = judge_answer(question, exchange->answer, now);
  if (arguments.flag("json")) {
    print_json(judgement_json(subject, question, *exchange, judgement));
  } else {
    print_judgement(subject, question, *exchange, judgement, now);
  }
  return outcome_of(judgement);
}

Outcome ocsp_status(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto status, administer(arguments.path("state"), "status.show", Json::Object{}, environment));
  if (arguments.flag("json")) {
    print_json(status);
  } else {
    TRY_VOID(print_status(status));
  }
  TRY(const bool answering, is_answering(status));
  if (answering) return {};
  return std::unexpected(Failure(
      Error{Errc::unavailable, "status: found no host that answers, want one: devices trust no server meanwhile"},
      ExitStatus::failed));
}

std::vector<Option> check_options() {
  return {
      {.name = "FILE", .value = "FILE", .help = "the certificate to ask about, PEM or DER; its issuer may follow it"},
      {.name = "ca", .value = "CA", .help = "instead of FILE: the CA of the installation that issued it"},
      {.name = "serial", .value = "SERIAL", .help = "with --ca: the serial number in hexadecimal"},
      {.name = "issuer",
       .value = "FILE",
       .help = "the issuer's certificate; without it, it is looked for in FILE and in the installation"},
      {.name = "url", .value = "URL", .help = "http://HOST[:PORT]/PATH of the responder; without it, what FILE says"},
      {.name = "connect-to", .value = "HOST:PORT", .help = "where the responder is, instead of looking it up"},
      {.name = "no-nonce", .value = "", .help = "accept an answer that was signed before, as caches have them"},
      {.name = "sha1", .value = "", .help = "name the certificate by SHA-1, for responders that know nothing else"},
      {.name = "foreign",
       .value = "",
       .help = "of somebody else's PKI: the CA itself may sign, and answers may be ten days old"},
      state_option(),
      json_option()};
}

}  // namespace

std::vector<Command> ocsp_commands() {
  return {{.words = "ocsp check",
           .summary = "ask a responder about a certificate, judge the answer as a device does, and say why",
           .example = "sallyport ocsp check gateway.pem --state /var/lib/sallyport",
           .options = check_options(),
           .run = ocsp_check},
          {.words = "ocsp status",
           .summary = "show the status hosts: snapshot, lease, signers, answers and refusals",
           .example = "sallyport ocsp status --state /var/lib/sallyport",
           .options = {state_option(), json_option()},
           .run = ocsp_status}};
}

}  // namespace sallyport::cli
