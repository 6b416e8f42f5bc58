// sallyport audit …: what was done, by whom, and that nothing of it was altered.
#include <array>

#include "administration.h"
#include "codec/text.h"
#include "commands.h"
#include "crypto/hash.h"
#include "json_output.h"
#include "records/audit_record.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::uint64_t kPage = 1'000;
constexpr std::array kAuditColumns = {Column{"#", "sequence"},      Column{"TIME", "time"},
                                      Column{"ACTOR", "actor"},     Column{"ACTION", "action"},
                                      Column{"SUBJECT", "subject"}, Column{"DETAIL", "detail"}};

Outcome audit_list(const Arguments& arguments, Environment& environment) {
  TRY(const auto after, arguments.number("after", 0, UINT32_MAX));
  TRY(const auto limit, arguments.number("limit", 1, kPage));
  Json::Object filter{{"after", after}, {"limit", limit}};
  for (const char* name : {"action", "subject"}) {
    if (const auto given = arguments.find(name)) filter[name] = *given;
  }
  CLI_TRY(const auto answer, administer(arguments.path("state"), "audit.list", std::move(filter), environment));
  if (arguments.flag("json")) {
    print_json(answer);
    return {};
  }
  TRY(const auto listed, answer.at("entries"));
  TRY(const auto entries, listed.array());
  print_table(entries, kAuditColumns);
  return {};
}

Result<records::Digest> digest_at(const Json& entry, std::string_view key) {
  TRY(const auto hex, entry.text_at(key));
  TRY(const auto bytes, codec::decode_hex(hex));
  Reader reader(bytes);
  TRY(const auto digest, reader.array<32>());
  TRY_VOID(reader.finish(key));
  return digest;
}

Result<records::AuditEntry> parse_entry(const Json& json) {
  records::AuditEntry entry;
  TRY(const auto sequence, json.integer_at("sequence"));
  entry.sequence = static_cast<std::uint64_t>(sequence);
  TRY(const auto time, json.text_at("time"));
  TRY(entry.time, parse_iso8601(time));
  TRY(entry.actor, json.text_at("actor"));
  TRY(entry.action, json.text_at("action"));
  TRY(entry.subject, json.text_at("subject"));
  TRY(const auto detail, json.at("detail"));
  entry.detail = detail.write();
  TRY(entry.previous, digest_at(json, "previous"));
  TRY(entry.hash, digest_at(json, "hash"));
  return entry;
}

// The chain as far as it was walked.
struct Chain {
  std::uint64_t sequence = 0;
  records::Digest hash{};
};

Result<void> follow(Chain& chain, const records::AuditEntry& entry) {
  const bool holds = entry.sequence == chain.sequence + 1 && entry.previous == chain.hash &&
                     entry.hash == crypto::sha256(records::audit_hash_input(entry));
  if (!holds) {
    return failf(Errc::conflict, "audit log: entry {} does not continue the chain: it was altered, or one is missing",
                 chain.sequence + 1);
  }
  chain.sequence = entry.sequence;
  chain.hash = entry.hash;
  return {};
}

// The authority walks over the chain anew as well: it remembers what it was, and notices a whole chain that was made
// anew, whose hashes all hold.
Result<void> compare_with_authority(const Chain& chain, const Json& verified) {
  TRY(const bool holds, verified.boolean_at("verified"));
  TRY(const auto entries, verified.integer_at("entries"));
  if (!holds) {
    return failf(Errc::conflict, "audit log: the authority found that entry {} does not continue the chain",
                 verified.integer_at("broken_at").value_or(entries + 1));
  }
  if (static_cast<std::uint64_t>(entries) < chain.sequence) {
    return failf(Errc::conflict, "audit log: {} entries were shown, the authority has {}", chain.sequence, entries);
  }
  return {};
}

// Recomputes every hash here, whatever the authority says about them.
Outcome audit_verify(const Arguments& arguments, Environment& environment) {
  Chain chain;
  for (;;) {
    CLI_TRY(const auto answer, administer(arguments.path("state"), "audit.list",
                                          Json::Object{{"after", chain.sequence}, {"limit", kPage}}, environment));
    TRY(const auto listed, answer.at("entries"));
    TRY(const auto page, listed.array());
    for (const Json& json : page) {
      TRY(const auto entry, parse_entry(json));
      TRY_VOID(follow(chain, entry));
    }
    if (page.size() < kPage) break;
  }
  CLI_TRY(const auto verified, administer(arguments.path("state"), "audit.verify", Json::Object{}, environment));
  TRY_VOID(compare_with_authority(chain, verified));
  const std::string head = codec::encode_hex(chain.hash);
  if (const auto wanted = arguments.find("head"); wanted && *wanted != head) {
    return std::unexpected(Failure({Errc::conflict, fmt::format("audit log: found head {}, want {}", head, *wanted)}));
  }
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"entries", chain.sequence}, {"head", head}}));
  } else {
    fmt::print("{} entries, every hash holds\nhead {}\n", chain.sequence, head);
  }
  return {};
}

}  // namespace

std::vector<Command> audit_commands() {
  return {
      {.words = "audit list",
       .summary = "show what was done, oldest first",
       .example = "sallyport audit list --action device. --limit 50",
       .options = {{.name = "after", .value = "N", .help = "entries after this number", .fallback = "0"},
                   {.name = "limit", .value = "N", .help = "at most so many, up to 1000", .fallback = "100"},
                   {.name = "action", .value = "PREFIX", .help = "only actions that begin so: device."},
                   {.name = "subject", .value = "SUBJECT", .help = "only what was done to this"},
                   state_option(),
                   json_option()},
       .run = audit_list},
      {.words = "audit verify",
       .summary = "recompute the whole hash chain and print its head",
       .example = "sallyport audit verify",
       .options = {{.name = "head", .value = "HASH", .help = "the head as it was noted elsewhere: must be the same"},
                   state_option(),
                   json_option()},
       .run = audit_verify},
  };
}

}  // namespace sallyport::cli
