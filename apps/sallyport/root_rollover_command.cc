#include "root_rollover_command.h"

#include "codec/json.h"
#include "codec/text.h"
#include "json_output.h"
#include "root_folder.h"
#include "root_signing.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

Json describe(const root::Root& root, const root::ProposedRollover& proposed) {
  return Json::Object{{"generation", std::uint64_t{proposed.generation}},
                      {"subject", proposed.common_name},
                      {"key_sha256", codec::encode_hex(proposed.key)},
                      {"not_after", to_iso8601(proposed.validity.not_after)},
                      {"link_not_after", to_iso8601(proposed.link_validity.not_after)},
                      {"present_sha256", codec::encode_hex(root.certificate().fingerprint())}};
}

void print_proposal(const root::Root& root, const root::ProposedRollover& proposed) {
  fmt::print(
      "The root {} would give way to its next one, number {}:\n\n"
      "  present    {}, until {}\n"
      "  next key   {}, as the present root pins it\n"
      "  next root  {}, until {}\n"
      "  link       the next key under the present root, until {}\n\n"
      "Both stay: the present root signs its CRLs for as long as anything below it lives, the next one signs CAs from\n"
      "now on. A key for the root after it is made and pinned.\n\n",
      root.name(), proposed.generation, codec::encode_fingerprint(root.certificate().fingerprint()),
      to_iso8601(root.certificate().validity().not_after), codec::encode_fingerprint(proposed.key),
      proposed.common_name, to_iso8601(proposed.validity.not_after), to_iso8601(proposed.link_validity.not_after));
}

Json describe_result(const root::Root& root) {
  const auto& link = root.generations().back().link;
  return Json::Object{{"generation", std::uint64_t{root.generations().back().number}},
                      {"sha256", codec::encode_hex(root.certificate().fingerprint())},
                      {"link_sha256", link ? codec::encode_hex(link->fingerprint()) : std::string()},
                      {"not_after", to_iso8601(root.certificate().validity().not_after)}};
}

Outcome root_rollover(const Arguments& arguments, Environment& environment) {
  auto root = open_root(arguments, environment);
  if (!root) return std::unexpected(std::move(root).error());
  TRY(const auto proposed, root->propose_rollover());
  const bool is_preview = arguments.flag("preview");
  const bool as_json = arguments.flag("json");
  if (as_json && is_preview) {
    print_json(describe(*root, proposed));
    return {};
  }
  if (!as_json) print_proposal(*root, proposed);
  if (is_preview) return {};
  const auto out = arguments.find("out");
  if (!out) return std::unexpected(Failure(Error{Errc::malformed, "--out: want a folder"}, ExitStatus::usage));
  if (!arguments.flag("yes")) TRY_VOID(confirm("Replace the root?"));
  TRY(const auto passphrase, root_passphrase(arguments));
  TRY_VOID(
      write_root_files(*root, *out));  // a folder that cannot be written shall be found before there is another root
  TRY(auto rolled, root::Root::roll_over(*std::move(root), passphrase.expose(), arguments.find("next-key")));
  TRY_VOID(rolled.sign_crls(passphrase.expose(), root::kUsualCrl, std::nullopt));
  TRY_VOID(write_root_files(rolled, *out));
  if (as_json) {
    print_json(describe_result(rolled));
    return {};
  }
  fmt::print("root {}       {}\nlink         {}\nwritten to   {}: now 'sallyport ca rollover --ca root --from {}'\n",
             proposed.generation, codec::encode_fingerprint(rolled.certificate().fingerprint()),
             codec::encode_fingerprint(rolled.generations().back().link->fingerprint()), *out, *out);
  return {};
}

// What an installation is given again: after a rollover that ended before it was written.
Outcome root_export(const Arguments& arguments, Environment& environment) {
  auto root = open_root(arguments, environment);
  if (!root) return std::unexpected(std::move(root).error());
  TRY_VOID(write_root_files(*root, arguments.path("out")));
  fmt::print("root certificate, links and CRLs written to {}\n", arguments.text("out"));
  return {};
}

}  // namespace

std::vector<Command> root_rollover_commands() {
  return {
      {.words = "root rollover",
       .summary = "replace the root by the next one, whose key it pins; both stay valid",
       .example = "sallyport root rollover --root /media/usb/root --out from-root",
       .options = {root_folder_option(),
                   {.name = "out", .value = "DIR", .help = "folder for the roots, the links and the CRLs"},
                   {.name = "next-key",
                    .value = "FILE",
                    .help = "the next root's key, when it was moved out of the folder"},
                   root_passphrase_option(),
                   {.name = "preview", .value = "", .help = "show what would happen, and do nothing"},
                   {.name = "yes", .value = "", .help = "do not ask"},
                   json_option()},
       .run = root_rollover},
      {.words = "root export",
       .summary = "write the root's certificate, its links and its CRLs to a folder for an installation",
       .example = "sallyport root export --root /media/usb/root --out from-root",
       .options = {root_folder_option(),
                   {.name = "out", .value = "DIR", .help = "folder for the files", .required = true}},
       .run = root_export},
  };
}

}  // namespace sallyport::cli
