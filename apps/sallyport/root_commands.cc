// sallyport root …: the ceremonies of the offline root.
#include <algorithm>

#include "codec/json.h"
#include "codec/pem.h"
#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "json_output.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "option_error.h"
#include "root/root.h"
#include "root_folder.h"
#include "root_rollover_command.h"
#include "root_signing.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

Result<std::optional<root::BroughtRoot>> read_brought(const Arguments& arguments, ByteView passphrase) {
  const auto key_file = arguments.find("key");
  const auto certificate_file = arguments.find("certificate");
  if (!key_file && !certificate_file) return std::nullopt;
  if (!key_file || !certificate_file)
    return fail(Errc::malformed, "a root of your own: want both --key and --certificate");
  TRY(auto key, keystore::read_private_key_file(*key_file, passphrase));
  TRY(auto certificate, read_certificate(*certificate_file));
  return root::BroughtRoot{std::move(key), std::move(certificate)};
}

Outcome root_init(const Arguments& arguments, Environment& environment) {
  auto folder = open_or_create_state(arguments.path("root"), root::kRootFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  const bool brings_key = arguments.find("key").has_value();
  TRY(auto passphrase, root_passphrase(arguments, !brings_key));
  TRY(auto brought, read_brought(arguments, passphrase.expose()));
  TRY_VOID(root::initialise_root(
      *folder, {.name = arguments.text("name"), .passphrase = passphrase.clone(), .brought = std::move(brought)},
      environment.clock, environment.random));
  TRY(auto root, root::Root::open(*std::move(folder), environment.clock, environment.random));
  TRY(auto key, root.unlock(passphrase.expose()));
  TRY(const auto crl, root.sign_crl(key, root::kUsualCrl, std::nullopt));
  fmt::print("root         {}\nfingerprint  {}\nuntil        {}\nroot CRL     number {}, until {}\n",
             root.certificate().subject().common_name().value_or(""),
             codec::encode_fingerprint(root.certificate().fingerprint()),
             to_iso8601(root.certificate().validity().not_after), crl.number(), to_iso8601(crl.next_update()));
  return {};
}

Outcome root_sign(const Arguments& arguments, Environment& environment) {
  auto root = open_root(arguments, environment);
  if (!root) return std::unexpected(std::move(root).error());
  TRY(const auto proposals, read_proposals(*root, arguments.path("in")));
  print_proposals(*root, proposals);
  if (!arguments.flag("yes")) TRY_VOID(confirm("Sign these?"));
  TRY(const auto passphrase, root_passphrase(arguments));
  TRY_VOID(sign_proposals(*root, proposals, passphrase.expose(), arguments.path("out")));
  fmt::print("signed {} into {}\n", proposals.size(), arguments.text("out"));
  return {};
}

Result<std::optional<root::Revocation>> revocation_of(const Arguments& arguments) {
  const auto serial = arguments.find("revoke");
  const auto reason = arguments.find("reason");
  if (!serial && reason) return fail(Errc::malformed, "--reason: want --revoke SERIAL with it");
  if (!serial) return std::nullopt;
  root::Revocation revocation;
  TRY(revocation.serial, of_option("--revoke", pki::SerialNumber::parse_hex(*serial)));
  if (reason) {
    TRY(revocation.reason, of_option("--reason", root::parse_reason(*reason)));
  }
  return revocation;
}

Outcome root_crl(const Arguments& arguments, Environment& environment) {
  auto root = open_root(arguments, environment);
  if (!root) return std::unexpected(std::move(root).error());
  TRY(const auto days, arguments.number("days", root::kShortestCrl / kDay, root::kLongestCrl / kDay));
  TRY(const auto revocation, revocation_of(arguments));
  TRY(const auto passphrase, root_passphrase(arguments));
  TRY(const auto crls, root->sign_crls(passphrase.expose(), static_cast<std::int64_t>(days) * kDay, revocation));
  TRY_VOID(keystore::atomic_write_file(arguments.path("out"), as_bytes(encode_crls_pem(crls)), keystore::kPublicMode));
  for (const pki::Crl& crl : crls) {
    fmt::print("root CRL number {}, {} revoked, until {}\n", crl.number(), crl.entries().size(),
               to_iso8601(crl.next_update()));
  }
  if (crls.size() < root->generations().size())
    fmt::print(stderr, "note: of {} roots {} have no key in this folder, so their CRLs are as they were\n",
               root->generations().size(), root->generations().size() - crls.size());
  return {};
}

codec::Json describe_generations(const root::Root& root) {
  codec::Json::Array out;
  for (const auto& generation : root.generations()) {
    codec::Json::Object row{{"number", std::uint64_t{generation.number}},
                            {"fingerprint", codec::encode_hex(generation.certificate.fingerprint())},
                            {"not_after", to_iso8601(generation.certificate.validity().not_after)},
                            {"crl_number", generation.crl_number}};
    row["link"] = generation.link ? codec::Json(codec::encode_hex(generation.link->fingerprint())) : codec::Json();
    out.emplace_back(std::move(row));
  }
  return out;
}

codec::Json describe(const root::Root& root) {
  codec::Json::Array cas;
  for (const auto& ca : root.signed_cas()) {
    codec::Json::Object row{{"ca", ca.ca_name},
                            {"serial", ca.serial.hex()},
                            {"key_sha256", codec::encode_hex(ca.spki)},
                            {"issued", ca.is_issued},
                            {"root", std::uint64_t{ca.generation}}};
    row["revoked_at"] = ca.revoked_at ? codec::Json(to_iso8601(*ca.revoked_at)) : codec::Json();
    cas.emplace_back(std::move(row));
  }
  codec::Json::Object out{{"name", root.name()},
                          {"fingerprint", codec::encode_hex(root.certificate().fingerprint())},
                          {"not_after", to_iso8601(root.certificate().validity().not_after)},
                          {"cas", std::move(cas)}};
  out["roots"] = describe_generations(root);
  const auto& next = root.certificate().extensions().next_root_key;
  out["next_root_key_sha256"] = next ? codec::Json(codec::encode_hex(*next)) : codec::Json();
  if (const auto crl = root.load_crl()) {
    out["crl"] = codec::Json::Object{{"number", crl->number()},
                                     {"this_update", to_iso8601(crl->this_update())},
                                     {"next_update", to_iso8601(crl->next_update())},
                                     {"revoked", std::uint64_t{crl->entries().size()}}};
  }
  return out;
}

Outcome root_show(const Arguments& arguments, Environment& environment) {
  auto root = open_root(arguments, environment);
  if (!root) return std::unexpected(std::move(root).error());
  if (arguments.flag("json")) {
    print_json(describe(*root));
    return {};
  }
  fmt::print("root         {}\nfingerprint  {}\nuntil        {}\n",
             root->certificate().subject().common_name().value_or(""),
             codec::encode_fingerprint(root->certificate().fingerprint()),
             to_iso8601(root->certificate().validity().not_after));
  if (const auto& next = root->certificate().extensions().next_root_key)
    fmt::print("next root    {}\n", codec::encode_fingerprint(*next));
  if (const auto crl = root->load_crl()) {
    fmt::print("root CRL     number {}, {} revoked, until {}\n", crl->number(), crl->entries().size(),
               to_iso8601(crl->next_update()));
  } else {
    fmt::print("root CRL     {}\n", crl.error().detail);
  }
  for (const auto& generation : root->generations()) {
    if (generation.number == root->generations().size()) break;
    fmt::print("older root {} {}, CRL number {}\n", generation.number,
               codec::encode_fingerprint(generation.certificate.fingerprint()), generation.crl_number);
  }
  for (const auto& ca : root->signed_cas()) {
    fmt::print("  {:<24} {}{}{}\n", ca.ca_name, ca.serial.hex(), ca.is_issued ? "" : "  interrupted",
               ca.revoked_at ? "  revoked " + to_iso8601(*ca.revoked_at) : "");
  }
  return {};
}

}  // namespace

std::vector<Command> root_commands() {
  std::vector<Command> all = root_rollover_commands();
  std::vector<Command> own = {
      {.words = "root init",
       .summary = "make the root, or take over one of your own, in a folder of its own",
       .example = "sallyport root init --root /media/usb/root --name \"Acme Machines\"",
       .options = {root_folder_option(),
                   {.name = "name",
                    .value = "NAME",
                    .help = "whose root it is, shown in every CA's subject",
                    .required = true},
                   root_passphrase_option(),
                   {.name = "key", .value = "FILE", .help = "bring your own root: its private key, PEM"},
                   {.name = "certificate", .value = "FILE", .help = "bring your own root: its certificate, PEM"}},
       .run = root_init},
      {.words = "root sign",
       .summary = "sign the CAs that an installation or a factory asks for",
       .example = "sallyport root sign --root /media/usb/root --in to-root --out from-root",
       .options =
           {root_folder_option(),
            {.name = "in",
             .value = "DIR",
             .help = "folder with request.toml and <ca-name>.csr files",
             .required = true},
            {.name = "out", .value = "DIR", .help = "folder for certificates, root.pem and root.crl", .required = true},
            root_passphrase_option(),
            {.name = "yes", .value = "", .help = "do not ask before signing"}},
       .run = root_sign},
      {.words = "root crl",
       .summary = "sign a new root CRL, and revoke a CA with it",
       .example = "sallyport root crl --root /media/usb/root --revoke 3f9a… --reason key-compromise --out root.crl",
       .options = {root_folder_option(),
                   {.name = "revoke", .value = "SERIAL", .help = "revoke the CA of this serial, hexadecimal"},
                   {.name = "reason", .value = "REASON", .help = kReasonWords},
                   {.name = "days", .value = "DAYS", .help = "how long it is in force, 35 to 400", .fallback = "90"},
                   {.name = "out", .value = "FILE", .help = "where the CRL is written, PEM", .required = true},
                   root_passphrase_option()},
       .run = root_crl},
      {.words = "root show",
       .summary = "show the root, its CRL and every CA it signed",
       .example = "sallyport root show --root /media/usb/root",
       .options = {root_folder_option(), json_option()},
       .run = root_show},
  };
  all.insert(all.begin(), own.begin(), own.end());
  const std::vector<Command> orders = root_order_commands();
  all.insert(all.end(), orders.begin(), orders.end());
  return all;
}

}  // namespace sallyport::cli
