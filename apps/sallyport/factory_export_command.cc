// sallyport factory export: the ledger to a file, or to the console over HTTPS.
#include <cstdio>

#include "codec/text.h"
#include "commands.h"
#include "console_client.h"
#include "factory_folder.h"
#include "folders.h"
#include "keystore/file.h"
#include "net/run.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

// Entries of one part over HTTPS: some 32 KB of JSON, 52 KB with keys of RSA 4096; the console reads 64 KiB.
constexpr std::size_t kEntriesPerPost = 32;

std::filesystem::path part_path(std::filesystem::path out, std::size_t part) {
  if (part == 1) return out;
  const auto extension = out.extension();
  return out.replace_extension(fmt::format(".{}{}", part, extension.string()));
}

// As many files as it takes, each a whole export that continues the one before.
Outcome export_to_file(factory::Station& station, const Arguments& arguments, std::uint64_t after) {
  const std::uint64_t first = after + 1;
  const std::uint64_t end = station.ledger().head().sequence;
  std::size_t part = 0;
  do {
    TRY(const auto ledger, station.export_ledger(after, factory::kMaxEntriesPerExport));
    const auto path = part_path(arguments.path("out"), ++part);
    TRY_VOID(keystore::atomic_write_file(path, pki::encode_ledger_export(ledger), keystore::kPublicMode));
    after = ledger.entries.back().sequence;
  } while (after < end);
  fmt::print("exported entries {} to {} of {}\n", first, after, end);
  if (part > 1) fmt::print("in {} files beside {}: import them in their order\n", part, arguments.text("out"));
  return {};
}

Result<ConsoleLogin> read_login(const Arguments& arguments, const pki::Certificate& root) {
  const auto login = arguments.find("login");
  if (!login) return fail(Errc::malformed, "--to: want --login of somebody who may take in ledgers there");
  TRY(auto console, parse_console_address(arguments.text("to")));
  ConsoleLogin out{.console = std::move(console), .connect_to = std::nullopt, .roots = {root}, .login = *login};
  if (const auto address = arguments.find("connect-to")) {
    TRY(out.connect_to, net::parse_address(*address));
  }
  return out;
}

// The last entry that the installation has of the site.
net::Task<Result<std::uint64_t>> ask_progress(ConsoleClient& client, std::string site) {
  CO_TRY(const auto answer, co_await client.get("/sites"));
  CO_TRY(const auto listed, answer.at("sites"));
  CO_TRY(const auto sites, listed.array());
  for (const Json& one : sites) {
    CO_TRY(const auto name, one.text_at("name"));
    if (name != site) continue;
    CO_TRY(const auto issued, one.integer_at("issued"));
    co_return static_cast<std::uint64_t>(issued);
  }
  co_return failf(Errc::not_found, "console: knows no site {}", site);
}

struct Pushed {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

// Sends what the installation lacks, part by part. A part whose answer was lost is known the next time.
net::Task<Result<Pushed>> push(factory::Station& station, ConsoleLogin login, SecretBytes password,
                               const Clock& clock) {
  CO_TRY(auto client, co_await ConsoleClient::log_in(std::move(login), std::move(password), clock));
  const std::string site = station.status().site.get();
  CO_TRY(std::uint64_t known, co_await ask_progress(client, site));
  Pushed pushed{.from = known, .to = known};
  const std::uint64_t end = station.ledger().head().sequence;
  Progress progress("sending", end > known ? static_cast<std::size_t>(end - known) : 0, clock);
  while (pushed.to < end) {
    CO_TRY(const auto part, station.export_ledger(pushed.to, kEntriesPerPost));
    const Json body(Json::Object{{"ledger", codec::encode_base64(pki::encode_ledger_export(part))}});
    CO_TRY(const auto answer, co_await client.post("/sites/" + site + "/ledger", body));
    CO_TRY(const auto sequence, answer.integer_at("sequence"));
    if (static_cast<std::uint64_t>(sequence) != part.entries.back().sequence) {
      co_return failf(Errc::conflict, "console: has taken in entry {}, want {}", sequence,
                      part.entries.back().sequence);
    }
    pushed.to = part.entries.back().sequence;
    for (std::size_t i = 0; i < part.entries.size(); ++i) progress.advance();
  }
  CO_TRY_VOID(co_await client.log_out());
  co_return pushed;
}

Outcome export_to_console(factory::Station& station, const Arguments& arguments, Environment& environment) {
  const auto root = station.root();
  if (!root) return std::unexpected(Error{Errc::unauthorized, "station: found no permit: there is nothing to export"});
  TRY(auto login, read_login(arguments, *root));
  const std::optional<std::filesystem::path> file = arguments.find("password-file");
  TRY(auto password, read_passphrase(file, "--password-file", "Password of " + login.login));
  net::Io io;
  auto done = net::run(io, push(station, std::move(login), std::move(password), environment.clock));
  if (!done) return std::unexpected(Error{Errc::internal, "console: ended without an answer"});
  TRY(const auto pushed, *std::move(done));
  if (pushed.from == pushed.to) {
    fmt::print("nothing to send: entries up to {} are there\n", pushed.to);
  } else {
    fmt::print("sent entries {} to {}\n", pushed.from + 1, pushed.to);
  }
  return {};
}

Outcome factory_export(const Arguments& arguments, Environment& environment) {
  auto station = open_station(arguments, environment);
  if (!station) return std::unexpected(std::move(station).error());
  TRY(const auto after, arguments.number("after", 0, UINT32_MAX));
  const bool to_console = arguments.find("to").has_value();
  if (to_console == arguments.find("out").has_value()) {
    return std::unexpected(Failure({Errc::malformed, "want --out FILE or --to URL"}, ExitStatus::usage));
  }
  return to_console ? export_to_console(*station, arguments, environment) : export_to_file(*station, arguments, after);
}

}  // namespace

std::vector<Command> factory_export_commands() {
  return {
      {.words = "factory export",
       .summary = "export the signed ledger for the installation, to a file or over HTTPS",
       .example = "sallyport factory export --factory ./station --out acme.ledger",
       .options =
           {factory_option(),
            {.name = "out", .value = "FILE", .help = "where it is written; more files beside it when it is long"},
            {.name = "after", .value = "N", .help = "only entries after this sequence number", .fallback = "0"},
            {.name = "to", .value = "URL", .help = "the console that takes it in: https://console.example.net"},
            {.name = "login", .value = "LOGIN", .help = "an operator there"},
            {.name = "password-file", .value = "FILE", .help = "file of mode 0600 with his password; asked without it"},
            {.name = "connect-to", .value = "HOST:PORT", .help = "where the console is, instead of looking it up"}},
       .run = factory_export},
  };
}

}  // namespace sallyport::cli
