#include "caa_check.h"

#include <algorithm>
#include <array>
#include <memory>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include "pki/caa.h"

namespace sallyport::cli {
namespace {

constexpr int kTypeCaa = 257;
constexpr std::size_t kMaxAnswer = 64U * 1024U;
constexpr std::size_t kMaxCaaRecords = 64;
constexpr int kSecondsForATry = 2;
constexpr int kTries = 2;
// RFC 6761, RFC 8375, RFC 6762 and the private-use name of ICANN: no public CA issues for what is below them.
constexpr std::array<std::string_view, 7> kPrivateDomains = {"localhost", "test",     "example",  "invalid",
                                                             "local",     "internal", "home.arpa"};

bool is_private(const DnsName& name) {
  return std::ranges::any_of(kPrivateDomains, [&](std::string_view domain) {
    return name.get() == domain || name.get().ends_with("." + std::string(domain));
  });
}

// glibc's stub resolver, with a state of its own.
class Resolver {
 public:
  static Result<std::unique_ptr<Resolver>> open(const std::optional<net::Address>& server) {
    std::unique_ptr<Resolver> out(new Resolver);
    if (::res_ninit(&out->state_) != 0) return fail(Errc::unavailable, "resolver: cannot be set up");
    out->state_.retrans = kSecondsForATry;
    out->state_.retry = kTries;
    if (!server) return out;
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr = {}, .sin_zero = {}};
    if (::inet_pton(AF_INET, server->host.c_str(), &to.sin_addr) != 1)
      return failf(Errc::malformed, "DNS server: found {}, want an IPv4 address and a port", server->host);
    out->state_.nscount = 1;
    out->state_.nsaddr_list[0] = to;
    return out;
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver() { ::res_nclose(&state_); }

  // None where the name has none or does not exist.
  Result<std::vector<pki::CaaRecord>> ask(const std::string& name) {
    Bytes answer(kMaxAnswer);
    const int length =
        ::res_nquery(&state_, name.c_str(), ns_c_in, kTypeCaa, answer.data(), static_cast<int>(answer.size()));
    if (length >= 0) return read(ByteView(answer).first(std::min(answer.size(), static_cast<std::size_t>(length))));
    if (state_.res_h_errno == HOST_NOT_FOUND || state_.res_h_errno == NO_DATA) return std::vector<pki::CaaRecord>();
    return failf(Errc::unavailable, "CAA of {}: {}", name, ::hstrerror(state_.res_h_errno));
  }

 private:
  Resolver() = default;

  static Result<std::vector<pki::CaaRecord>> read(ByteView answer) {
    ns_msg message;
    if (::ns_initparse(answer.data(), static_cast<int>(answer.size()), &message) != 0)
      return fail(Errc::malformed, "DNS answer: cannot be read");
    std::vector<pki::CaaRecord> out;
    const int count = ns_msg_count(message, ns_s_an);
    for (int i = 0; i < count && out.size() < kMaxCaaRecords; ++i) {
      ns_rr one;
      if (::ns_parserr(&message, ns_s_an, i, &one) != 0) return fail(Errc::malformed, "DNS answer: cannot be read");
      if (ns_rr_type(one) != kTypeCaa) continue;
      TRY(auto record, pki::parse_caa_record(ByteView(ns_rr_rdata(one), static_cast<std::size_t>(ns_rr_rdlen(one)))));
      out.push_back(std::move(record));
    }
    return out;
  }

  struct __res_state state_{};
};

// The records that count for a name, and of which name they are.
struct Relevant {
  std::string owner;  // empty: there are none up to the top
  std::vector<pki::CaaRecord> records;
};

Result<Relevant> find_relevant(Resolver& resolver, const DnsName& name) {
  for (std::string at = name.get();;) {
    TRY(auto records, resolver.ask(at));
    if (!records.empty()) return Relevant{.owner = std::move(at), .records = std::move(records)};
    const auto dot = at.find('.');
    if (dot == std::string::npos) return Relevant{};
    at.erase(0, dot + 1);
  }
}

std::string to_publish(const DnsName& name, const CaaQuestion& question) {
  return fmt::format(
      "publish: {0}. CAA 0 issue \"CA; accounturi={1}; validationmethods=dns-01\", with your CA's domain for CA{2}; or "
      "{0}. CAA 0 issue \";\" if no public CA is to issue",
      name.get(), question.account.value_or("ACCOUNT"), question.account ? "" : " and its URI of your account");
}

CaaFinding describe(const DnsName& name, const Result<Relevant>& relevant, const CaaQuestion& question) {
  CaaFinding out{.name = name, .is_good = false, .detail = {}};
  if (!relevant) {
    out.detail = fmt::format("cannot be looked up: {}", relevant.error().detail);
    return out;
  }
  const auto holes = pki::find_caa_holes(relevant->records, question.account);
  out.is_good = holes.empty();
  if (relevant->owner.empty()) {
    out.detail = "found no CAA record for it or above it, so every public CA may issue; " + to_publish(name, question);
  } else if (out.is_good) {
    for (const auto& record : relevant->records) out.detail += record.text() + ", ";
    out.detail += fmt::format("at {}: nobody else gets a certificate", relevant->owner);
  } else {
    out.detail = fmt::format("found at {}: ", relevant->owner);
    for (const auto& hole : holes) out.detail += hole + "; ";
    out.detail += to_publish(name, question);
  }
  return out;
}

}  // namespace

std::vector<CaaFinding> check_caa(const CaaQuestion& question) {
  std::vector<CaaFinding> out;
  auto resolver = Resolver::open(question.dns_server);
  for (const DnsName& name : question.names) {
    if (is_private(name)) {
      out.push_back({.name = name, .is_good = true, .detail = "no public CA issues for a name like this"});
    } else if (!resolver) {
      out.push_back(describe(name, std::unexpected(resolver.error()), question));
    } else {
      out.push_back(describe(name, find_relevant(**resolver, name), question));
    }
  }
  return out;
}

}  // namespace sallyport::cli
