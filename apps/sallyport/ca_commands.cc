// sallyport ca …: the tree of CAs.
#include <array>

#include "administration.h"
#include "commands.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

// The root first, then what is below it, further in.
Result<Json::Array> rows_of(const Json& tree) {
  TRY(const auto listed, tree.at("authorities"));
  TRY(const auto authorities, listed.array());
  Json::Array rows;
  for (const Json& authority : authorities) {
    TRY(auto row, authority.object());
    TRY(const auto name, authority.text_at("name"));
    TRY(const auto parent, authority.at("parent"));
    row.insert_or_assign("tree", parent.is_null() ? name : "  " + name);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

Outcome ca_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto tree, administer(arguments.path("state"), "pki.tree", Json::Object{}, environment));
  if (arguments.flag("json")) {
    fmt::print("{}\n", tree.write());
    return {};
  }
  TRY(const auto rows, rows_of(tree));
  constexpr std::array kColumns = {Column{"CA", "tree"},         Column{"STATE", "state"},
                                   Column{"UNTIL", "not_after"}, Column{"ISSUED", "issued"},
                                   Column{"REVOKED", "revoked"}, Column{"SERIAL", "serial"}};
  print_table(rows, kColumns);
  TRY(const auto listed, tree.at("ocsp_signers"));
  TRY(const auto signers, listed.array());
  constexpr std::array kSigners = {Column{"OCSP SIGNER OF", "ca"}, Column{"UNTIL", "not_after"},
                                   Column{"SERIAL", "serial"}};
  fmt::print("\n");
  print_table(signers, kSigners);
  TRY(const auto crl, tree.at("root_crl"));
  constexpr std::array kCrl = {Column{"root CRL number", "number"}, Column{"revoked", "revoked"},
                               Column{"until", "next_update"}};
  fmt::print("\n");
  print_fields(crl, kCrl);
  return {};
}

}  // namespace

std::vector<Command> ca_commands() {
  return {
      {.words = "ca list",
       .summary = "show the tree of CAs with state and expiry, their OCSP signers and the root CRL",
       .example = "sallyport ca list --state /var/lib/sallyport",
       .options = {state_option(), json_option()},
       .run = ca_list},
  };
}

}  // namespace sallyport::cli
