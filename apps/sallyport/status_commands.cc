// sallyport status …: what the operator of a status host does there.
#include <array>

#include "codec/json.h"
#include "codec/pem.h"
#include "commands.h"
#include "installation_folder.h"
#include "json_output.h"
#include "keystore/file.h"
#include "socket_call.h"
#include "status/order_desk.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;
using status::DeskRequest;

constexpr std::string_view kCrlLabel = "X509 CRL";
constexpr std::size_t kMaxBlocks = 16;

Result<Json> ask_desk(const InstallationPaths& paths, DeskRequest kind, ByteView body) {
  Bytes request{static_cast<std::uint8_t>(kind)};
  append(request, body);
  TRY(const auto answer, call_socket(paths.socket("orders"), std::move(request), "status"));
  if (!answer) {
    return failf(Errc::unavailable, "status: nobody listens on {}, want the status service running on this machine",
                 paths.socket("orders").string());
  }
  return codec::parse_json(as_text(*answer), {.size = net::kMaxFrame, .values = 65'536});
}

Result<DeskRequest> kind_of(const codec::PemBlock& block) {
  if (block.label == pki::kRootOrderLabel) return DeskRequest::order;
  if (block.label == kCrlLabel) return DeskRequest::root_crl;
  return failf(Errc::malformed, "found a block '{}', want '{}' or '{}'", block.label, pki::kRootOrderLabel, kCrlLabel);
}

Result<std::vector<codec::PemBlock>> read_blocks(ByteView text) {
  TRY(auto blocks, codec::parse_pem(as_text(text)));
  if (blocks.empty()) return fail(Errc::malformed, "found no PEM block, want an order or a root CRL");
  if (blocks.size() > kMaxBlocks)
    return failf(Errc::overloaded, "found {} PEM blocks, want at most {}", blocks.size(), kMaxBlocks);
  for (const auto& block : blocks) TRY_VOID(kind_of(block));
  return blocks;
}

Result<void> print_taken(const Json& answer) {
  TRY(const bool is_new, answer.boolean_at("taken"));
  const std::string_view what = is_new ? "taken" : "known already";
  if (const Json* order = answer.find("order"); order != nullptr) {
    TRY(const auto number, order->integer_at("number"));
    TRY(const auto ca, order->text_at("ca"));
    TRY(const auto serial, order->at("serial"));
    fmt::print("order {}: {}: {} {}\n", number, what, ca, serial.is_null() ? "and everything below it" : shown(serial));
    return {};
  }
  TRY(const auto crl, answer.at("root_crl"));
  TRY(const auto number, crl.integer_at("number"));
  TRY(const auto revoked, crl.integer_at("revoked"));
  fmt::print("root CRL {}: {}: {} revoked\n", number, what, revoked);
  return {};
}

// A file with an order and CRLs: each is taken or refused by itself, and the first refusal ends it.
Outcome status_order(const Arguments& arguments, Environment&) {
  const InstallationPaths paths{arguments.path("state")};
  const auto file = arguments.path("FILE");
  TRY(const auto text, keystore::read_file(file, codec::kMaxPemText));
  auto blocks = read_blocks(text);
  if (!blocks) return std::unexpected(Failure(std::move(blocks).error().at(file.string())));
  Json::Array answers;
  for (const auto& block : *blocks) {
    TRY(const auto kind, kind_of(block));
    TRY(auto answer, ask_desk(paths, kind, block.content));
    if (!arguments.flag("json")) TRY_VOID(print_taken(answer));
    answers.push_back(std::move(answer));
  }
  if (arguments.flag("json")) print_json(Json(std::move(answers)));
  return {};
}

Outcome status_orders(const Arguments& arguments, Environment&) {
  TRY(const auto listed, ask_desk({arguments.path("state")}, DeskRequest::list, {}));
  if (arguments.flag("json")) {
    print_json(listed);
    return {};
  }
  TRY(const auto orders, listed.at("orders"));
  TRY(const auto rows, orders.array());
  constexpr std::array kOrders = {Column{"ORDER", "number"}, Column{"CA", "ca"}, Column{"SERIAL", "serial"},
                                  Column{"SIGNED", "issued_at"}};
  print_table(rows, kOrders);
  TRY(const auto crls, listed.at("root_crls"));
  TRY(const auto lists, crls.array());
  if (lists.empty()) return {};
  constexpr std::array kCrls = {Column{"ROOT CRL", "number"}, Column{"REVOKED", "revoked"},
                                Column{"UNTIL", "next_update"}, Column{"ROOT", "issuer_key_id"}};
  fmt::print("\n");
  print_table(lists, kCrls);
  return {};
}

}  // namespace

std::vector<Command> status_commands() {
  return {
      {.words = "status order",
       .summary = "hand an order of the root, or a root CRL, to the status service of this machine: it is final",
       .example = "sallyport status order order.pem",
       .options =
           {{.name = "FILE", .value = "FILE", .help = "what root order or root crl has written", .required = true},
            state_option(),
            json_option()},
       .run = status_order},
      {.words = "status orders",
       .summary = "list the orders and root CRLs that the status service of this machine has taken",
       .example = "sallyport status orders --json",
       .options = {state_option(), json_option()},
       .run = status_orders},
  };
}

}  // namespace sallyport::cli
