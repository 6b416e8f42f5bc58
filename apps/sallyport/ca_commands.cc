// sallyport ca …: the tree of CAs.
#include <array>

#include "administration.h"
#include "commands.h"
#include "json_output.h"
#include "table.h"
#include "terminal.h"

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

// What should have been replaced by now, a line each.
Result<void> print_due(const Json& expiry) {
  TRY(const auto listed, expiry.at("links"));
  TRY(const auto links, listed.array());
  for (const Json& link : links) {
    TRY(const auto stage, link.text_at("stage"));
    if (stage == "in-time") continue;
    TRY(const auto kind, link.text_at("kind"));
    TRY(const auto name, link.text_at("name"));
    TRY(const auto until, link.text_at("not_after"));
    TRY(const auto remedy, link.text_at("remedy"));
    fmt::print("\n{}: {} {}, until {}: {}\n", stage, kind, shown(Json(name)), until, remedy);
  }
  return {};
}

Outcome ca_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto tree, administer(arguments.path("state"), "pki.tree", Json::Object{}, environment));
  if (arguments.flag("json")) {
    print_json(tree);
    return {};
  }
  TRY(const auto rows, rows_of(tree));
  constexpr std::array kColumns = {
      Column{"CA", "tree"},       Column{"STATE", "state"}, Column{"UNTIL", "not_after"}, Column{"KEY", "key_place"},
      Column{"ISSUED", "issued"}, Column{"ALIVE", "alive"}, Column{"REVOKED", "revoked"}, Column{"SERIAL", "serial"}};
  print_table(rows, kColumns);
  TRY(const auto replaced, tree.at("replaced"));
  TRY(const auto older, replaced.array());
  if (!older.empty()) {
    constexpr std::array kReplaced = {Column{"REPLACED", "name"}, Column{"UNTIL", "not_after"},
                                      Column{"REVOKED", "revoked"}, Column{"SERIAL", "serial"}};
    fmt::print("\n");
    print_table(older, kReplaced);
  }
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
  CLI_TRY(const auto expiry, administer(arguments.path("state"), "pki.expiry", Json::Object{}, environment));
  TRY_VOID(print_due(expiry));
  return {};
}

// What would be done, or was.
Result<void> print_honoured(const Json& answer) {
  TRY(const auto honoured, answer.integer_at("honoured"));
  TRY(const auto refused, answer.integer_at("refused"));
  fmt::print("{} devices may ask for a new certificate under theirs, {} may not\n", honoured, refused);
  return {};
}

Outcome ca_honour(const Arguments& arguments, Environment& environment) {
  const auto before = arguments.find("issued-before");
  if (before.has_value() == arguments.flag("no-more"))
    return std::unexpected(
        Failure(Error{Errc::malformed, "ca honour: want one of --issued-before and --no-more"}, ExitStatus::usage));
  Json::Object order{{"ca", arguments.text("CA")}, {"issued_before", before ? Json(*before) : Json()}};
  const bool is_preview = arguments.flag("preview");
  const bool as_json = arguments.flag("json");
  if (is_preview || !arguments.flag("yes")) {
    Json::Object question = order;
    question.emplace("dry_run", true);
    CLI_TRY(const auto told, administer(arguments.path("state"), "ca.honour", std::move(question), environment));
    if (as_json && is_preview) print_json(told);
    if (!as_json) TRY_VOID(print_honoured(told));
    if (is_preview) return {};
    TRY_VOID(confirm("Honour these?"));
  }
  CLI_TRY(const auto done, administer(arguments.path("state"), "ca.honour", std::move(order), environment));
  if (as_json) {
    print_json(done);
    return {};
  }
  TRY_VOID(print_honoured(done));
  return {};
}

}  // namespace

std::vector<Command> ca_commands() {
  return {
      {.words = "ca honour",
       .summary =
           "let devices of a revoked online-ca come back, with what it issued before a time at which it was sound",
       .example = "sallyport ca honour online-ca@1f3a… --issued-before 2026-05-01T00:00:00Z",
       .options =
           {{.name = "CA", .value = "CA", .help = "a replaced CA, as 'online-ca@' and its serial", .required = true},
            state_option(),
            {.name = "issued-before", .value = "TIME", .help = "as 2026-05-01T00:00:00Z"},
            {.name = "no-more", .value = "", .help = "honour nothing of it any more"},
            {.name = "preview", .value = "", .help = "show what would happen, and do nothing"},
            {.name = "yes", .value = "", .help = "do not ask"},
            json_option()},
       .run = ca_honour},
      {.words = "ca list",
       .summary = "show the tree of CAs with state and expiry, their OCSP signers and the root CRL",
       .example = "sallyport ca list --state /var/lib/sallyport",
       .options = {state_option(), json_option()},
       .run = ca_list},
  };
}

}  // namespace sallyport::cli
