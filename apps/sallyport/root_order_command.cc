// sallyport root order: a revocation that needs no authority.
#include "codec/pem.h"
#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "keystore/file.h"
#include "option_error.h"
#include "pki/root_order.h"
#include "root_folder.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

Result<root::ProposedOrder> propose(const root::Root& root, const Arguments& arguments) {
  const auto ca = arguments.find("ca");
  const auto file = arguments.find("certificate");
  if (ca.has_value() == file.has_value()) return fail(Errc::malformed, "root order: want either --ca or --certificate");
  TRY(const auto reason, of_option("--reason", root::parse_reason(arguments.text("reason"))));
  const auto installation = arguments.find("installation");
  if (ca) return root.propose_order_on_ca(*ca, reason, installation);
  TRY(const auto certificate, read_certificate(*file));
  return root.propose_order_on_certificate(certificate, reason, installation);
}

void print_proposal(const root::ProposedOrder& proposed) {
  fmt::print("The order would revoke, for ever:\n\n");
  if (const auto& certificate = proposed.certificate()) {
    fmt::print("  certificate  {}\n  serial       {}\n  issued by    {}\n  until        {}\n",
               certificate->subject().common_name().value_or(""), certificate->serial().hex(), proposed.ca_name(),
               to_iso8601(certificate->validity().not_after));
  } else {
    fmt::print("  CA           {}, and everything that it has issued\n  serial       {}\n", proposed.ca_name(),
               proposed.ca_serial().hex());
  }
  fmt::print("  reason       {}\n\n", root::reason_text(proposed.reason()));
}

Outcome root_order(const Arguments& arguments, Environment& environment) {
  auto root = open_root(arguments, environment);
  if (!root) return std::unexpected(std::move(root).error());
  TRY(const auto proposed, propose(*root, arguments));
  TRY(const auto days, arguments.number("days", root::kShortestCrl / kDay, root::kLongestCrl / kDay));
  print_proposal(proposed);
  if (!arguments.flag("yes")) TRY_VOID(confirm("Sign this?"));
  TRY(const auto passphrase, root_passphrase(arguments));
  TRY(const auto order, root->sign_order(proposed, passphrase.expose(), static_cast<std::int64_t>(days) * kDay));
  std::string pem = codec::encode_pem(pki::kRootOrderLabel, order.sealed);
  if (!order.crls.empty()) pem += encode_crls_pem(order.crls);
  TRY_VOID(keystore::atomic_write_file(arguments.path("out"), as_bytes(pem), keystore::kPublicMode));
  fmt::print("order {} in {}\n", order.number, arguments.text("out"));
  for (const pki::Crl& crl : order.crls) {
    fmt::print("root CRL number {} with it, {} revoked, until {}\n", crl.number(), crl.entries().size(),
               to_iso8601(crl.next_update()));
  }
  return {};
}

}  // namespace

std::vector<Command> root_order_commands() {
  return {
      {.words = "root order",
       .summary = "sign an order that revokes a certificate, or a CA with all below it, without the authority",
       .example = "sallyport root order --root /media/usb/root --ca server-ca --reason ca-compromise --out order.pem",
       .options = {root_folder_option(),
                   {.name = "ca", .value = "CA", .help = "revoke this CA: its name, or its serial in hexadecimal"},
                   {.name = "certificate",
                    .value = "FILE",
                    .help = "revoke this certificate, which one of the CAs issued: PEM"},
                   {.name = "reason", .value = "REASON", .help = kReasonWords, .fallback = "unspecified"},
                   {.name = "installation",
                    .value = "NAME",
                    .help = "whose status service takes it; the root's own name without it"},
                   {.name = "days",
                    .value = "DAYS",
                    .help = "how long the CRL that goes with it is in force",
                    .fallback = "90"},
                   {.name = "out", .value = "FILE", .help = "where order and CRL are written, PEM", .required = true},
                   root_passphrase_option(),
                   {.name = "yes", .value = "", .help = "do not ask before signing"}},
       .run = root_order},
  };
}

}  // namespace sallyport::cli
