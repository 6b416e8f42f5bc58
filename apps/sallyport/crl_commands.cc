// sallyport crl list, get, show: the revocation lists of an installation, and those in files.
#include <algorithm>
#include <array>

#include "administration.h"
#include "certificate_text.h"
#include "codec/json_text.h"
#include "codec/pem.h"
#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "json_output.h"
#include "keystore/file.h"
#include "span_text.h"
#include "status_text.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

Outcome crl_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto status, administer(arguments.path("state"), "status.show", Json::Object{}, environment));
  TRY(const auto rows, crl_rows(status));
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"crls", rows}}));
    return {};
  }
  constexpr std::array kColumns = {
      Column{"CA", "ca"},           Column{"NUMBER", "number"},    Column{"SERVED", "served"},
      Column{"LEFT", "left"},       Column{"MADE", "this_update"}, Column{"UNTIL", "next_update"},
      Column{"ENTRIES", "entries"}, Column{"BYTES", "bytes"}};
  print_table(rows, kColumns);
  TRY(const auto listed, status.at("crls"));
  TRY(const auto crls, listed.array());
  if (crls.empty()) fmt::print(stderr, "note: the CAs' lists are made while the authority runs, and it does not\n");
  return {};
}

// The newest list of a CA, put together from its portions.
Try<Bytes> fetch_crl(const Arguments& arguments, Environment& environment) {
  Bytes der;
  std::int64_t number = 0;
  std::int64_t count = 1;
  for (std::int64_t index = 0; index < count; ++index) {
    const Json::Object order{{"ca", arguments.text("CA")}, {"index", index}};
    CLI_TRY(const auto answer, administer(arguments.path("state"), "crl.get", order, environment));
    TRY(const auto told, answer.integer_at("number"));
    if (index > 0 && told != number)
      return std::unexpected(Failure(Error{Errc::conflict, "CRL: replaced while it was read, want another try"}));
    number = told;
    TRY(count, answer.integer_at("count"));
    TRY(const auto data, answer.text_at("data"));
    TRY(const auto portion, codec::decode_base64(data));
    der.insert(der.end(), portion.begin(), portion.end());
  }
  return der;
}

Outcome crl_get(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto der, fetch_crl(arguments, environment));
  TRY(const auto crl, pki::parse_crl(der));
  const auto out = arguments.find("out");
  const bool as_pem = !out || arguments.flag("pem");
  const std::string pem = as_pem ? codec::encode_pem("X509 CRL", der) : std::string();
  if (!out) {
    fmt::print("{}", pem);
    return {};
  }
  TRY_VOID(keystore::atomic_write_file(*out, as_pem ? as_bytes(pem) : ByteView(der), keystore::kPublicMode));
  fmt::print("CRL number {} of {}, {} {}, until {}\n", crl.number(), arguments.text("CA"), crl.entries().size(),
             crl.entries().size() == 1 ? "entry" : "entries", to_iso8601(crl.next_update()));
  return {};
}

// A list and what is known of its signature: absent when nobody said whose it must be.
struct Shown {
  const pki::Crl& crl;
  std::optional<pki::Verdict<pki::VerifiedCrl>> verdict;
};

std::optional<pki::Verdict<pki::VerifiedCrl>> judge(const pki::Crl& crl, std::span<const pki::Certificate> issuers,
                                                    UnixTime now) {
  std::optional<pki::Verdict<pki::VerifiedCrl>> out;
  for (const pki::Certificate& issuer : issuers) {
    auto verdict = pki::verify_crl(crl, issuer, pki::TimeRule::clock(now));
    if (verdict) return verdict;
    // Of several the one that speaks of this list is worth more than "another issuer".
    if (!out || issuer.subject() == crl.issuer()) out = std::move(verdict);
  }
  return out;
}

std::string signature_words(const Shown& list) {
  if (!list.verdict) return "not checked, for want of --issuer";
  if (*list.verdict) return fmt::format("good, of {}", title_of((*list.verdict)->issuer()));
  return fmt::format("refused: {}: {}", pki::to_string(list.verdict->error().reason),
                     list.verdict->error().error.detail);
}

void print_crl(const Shown& list, UnixTime now) {
  const pki::Crl& crl = list.crl;
  fmt::print("issuer       {}\nnumber       {}\n", shown(Json(crl.issuer().text())), crl.number());
  if (crl.delta_base()) fmt::print("delta        to number {}\n", *crl.delta_base());
  fmt::print("made         {} ({})\nnext update  {} ({})\n", to_iso8601(crl.this_update()),
             when_text(crl.this_update(), now), to_iso8601(crl.next_update()), when_text(crl.next_update(), now));
  if (crl.authority_key_id()) fmt::print("key          {}\n", codec::encode_hex(*crl.authority_key_id()));
  fmt::print("signature    {}\nentries      {}\n", shown(Json(signature_words(list))), crl.entries().size());
  for (const pki::RevokedEntry& entry : crl.entries()) {
    fmt::print("  {}  {}  {}\n", entry.serial.hex(), to_iso8601(entry.revoked_at), name_of(entry.reason));
  }
}

// Entry by entry, since there may be millions.
void print_crl_json(const Shown& list) {
  const pki::Crl& crl = list.crl;
  const bool is_refused = list.verdict && !*list.verdict;
  const Json head(Json::Object{
      {"issuer", crl.issuer().text()},
      {"number", crl.number()},
      {"delta_base", crl.delta_base() ? Json(*crl.delta_base()) : Json()},
      {"this_update", to_iso8601(crl.this_update())},
      {"next_update", to_iso8601(crl.next_update())},
      {"authority_key_id", crl.authority_key_id() ? Json(codec::encode_hex(*crl.authority_key_id())) : Json()},
      {"signature", !list.verdict ? "unchecked"
                    : is_refused  ? "refused"
                                  : "good"},
      {"reason", is_refused ? Json(pki::to_string(list.verdict->error().reason)) : Json()},
      {"detail", is_refused ? Json(list.verdict->error().error.detail) : Json()}});
  std::string text = head.write();
  text.pop_back();
  fmt::print("{},\"entries\":[", codec::for_terminal(text));
  bool is_first = true;
  for (const pki::RevokedEntry& entry : crl.entries()) {
    const Json row(Json::Object{{"serial", entry.serial.hex()},
                                {"revoked_at", to_iso8601(entry.revoked_at)},
                                {"reason", name_of(entry.reason)}});
    fmt::print("{}{}", is_first ? "" : ",", codec::for_terminal(row.write()));
    is_first = false;
  }
  fmt::print("]}}");
}

Outcome crl_show(const Arguments& arguments, Environment& environment) {
  TRY(const auto crls, read_crl_file(arguments.path("FILE")));
  std::vector<pki::Certificate> issuers;
  for (const std::string& path : arguments.list("issuer")) {
    TRY(const auto file, read_certificate_file(path));
    if (file.certificates.empty()) return std::unexpected(Failure(file.unusable.front()));
    std::ranges::copy(file.certificates, std::back_inserter(issuers));
  }
  const UnixTime now = environment.clock.now();
  const bool as_json = arguments.flag("json");
  std::optional<Error> refused;
  if (as_json) fmt::print("[");
  for (const pki::Crl& crl : crls) {
    const Shown list{.crl = crl, .verdict = judge(crl, issuers, now)};
    const bool is_first = &crl == &crls.front();
    if (!is_first) fmt::print("{}", as_json ? "," : "\n");
    as_json ? print_crl_json(list) : print_crl(list, now);
    if (!refused && list.verdict && !*list.verdict)
      refused = Error{Errc::unauthorized,
                      fmt::format("{}: refused: {}: {}", arguments.text("FILE"),
                                  pki::to_string(list.verdict->error().reason), list.verdict->error().error.detail)};
  }
  if (as_json) fmt::print("]\n");
  if (refused) return std::unexpected(Failure(*std::move(refused), ExitStatus::refused));
  return {};
}

}  // namespace

std::vector<Command> crl_commands() {
  return {{.words = "crl list",
           .summary = "show the newest revocation list of each CA, and what the status hosts hand out",
           .example = "sallyport crl list --state /var/lib/sallyport",
           .options = {state_option(), json_option()},
           .run = crl_list},
          {.words = "crl get",
           .summary = "take the newest revocation list of a CA out: to FILE as DER, else as PEM to standard output",
           .example = "sallyport crl get online-ca --out online-ca.crl",
           .options = {{.name = "CA", .value = "CA", .help = "as 'crl list' names it, root too", .required = true},
                       {.name = "out", .value = "FILE", .help = "where the list is written"},
                       {.name = "pem", .value = "", .help = "as PEM, into FILE too"},
                       state_option()},
           .run = crl_get},
          {.words = "crl show",
           .summary = "what is in a revocation list, and with --issuer whether it counts",
           .example = "sallyport crl show online-ca.crl --issuer /var/lib/sallyport/trust/online-ca.pem",
           .options = {{.name = "FILE", .value = "FILE", .help = "revocation lists, PEM or DER", .required = true},
                       {.name = "issuer",
                        .value = "FILE",
                        .help = "the CA that must have signed it, PEM or DER; may be given again",
                        .several = true},
                       json_option()},
           .run = crl_show}};
}

}  // namespace sallyport::cli
