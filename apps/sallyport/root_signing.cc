#include "root_signing.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "codec/pem.h"
#include "codec/text.h"
#include "folders.h"
#include "keystore/file.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kMaxRequests = 4'096;

Result<std::vector<std::filesystem::path>> list_requests(const std::filesystem::path& in) {
  std::error_code failure;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(in, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().extension() == ".csr") files.push_back(at->path());
    if (files.size() > kMaxRequests)
      return failf(Errc::overloaded, "{}: found more than {} requests", in.string(), kMaxRequests);
  }
  if (failure) return failf(Errc::not_found, "{}: {}", in.string(), failure.message());
  if (files.empty()) return failf(Errc::not_found, "{}: found no .csr file", in.string());
  std::ranges::sort(files);
  return files;
}

Result<root::ProposedCa> read_proposal(const root::Root& root, const std::filesystem::path& file,
                                       const root::RequestFacts& facts) {
  TRY(const auto pem, keystore::read_file(file, pki::kMaxCsrBytes));
  auto proposed = [&]() -> Result<root::ProposedCa> {
    TRY(const auto der, codec::parse_single_pem(as_text(pem), "CERTIFICATE REQUEST"));
    return root.propose(file.stem().string(), der, facts);
  }();
  if (!proposed) return std::unexpected(std::move(proposed).error().at(file.string()));
  return proposed;
}

}  // namespace

Result<std::vector<root::ProposedCa>> read_proposals(const root::Root& root, const std::filesystem::path& in) {
  const auto facts_file = in / "request.toml";
  TRY(const auto toml, keystore::read_file(facts_file, kMaxSmallFile));
  TRY(const auto facts, root::parse_request_facts(as_text(toml), facts_file.string()));
  TRY(const auto files, list_requests(in));
  std::vector<root::ProposedCa> proposals;
  for (const auto& file : files) {
    TRY(auto proposed, read_proposal(root, file, facts));
    proposals.push_back(std::move(proposed));
  }
  return proposals;
}

void print_proposals(const root::Root& root, const std::vector<root::ProposedCa>& proposals) {
  fmt::print("The root {} would sign:\n", root.name());
  for (const auto& each : proposals) {
    const auto& names = each.plan().permitted_dns;
    fmt::print("\n  {}{}\n    subject    {}\n    names      {}\n    until      {}\n    key        {}\n",
               each.plan().ca_name, each.signed_before() ? " (signed before: the same certificate again)" : "",
               each.common_name(), names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")),
               to_iso8601(each.validity().not_after), codec::encode_fingerprint(crypto::sha256(each.key().spki())));
  }
  fmt::print("\n");
}

Result<void> write_root_files(const root::Root& root, const std::filesystem::path& out) {
  TRY(const auto crls, root.load_crls());
  TRY_VOID(make_folder(out));
  std::vector<pki::Certificate> links;
  std::vector<pki::Certificate> older;
  for (const auto& generation : root.generations()) {
    if (generation.link) links.push_back(*generation.link);
    if (&generation != &root.generations().back()) older.push_back(generation.certificate);
  }
  if (!links.empty()) {
    TRY_VOID(write_certificates(out / "root-links.pem", links));
    TRY_VOID(write_certificates(out / "older-roots.pem", older));
  }
  TRY_VOID(keystore::atomic_write_file(out / "root.crl", as_bytes(encode_crls_pem(crls)), keystore::kPublicMode));
  return write_certificate(out / "root.pem", root.certificate());
}

Result<void> sign_proposals(root::Root& root, const std::vector<root::ProposedCa>& proposals, ByteView passphrase,
                            const std::filesystem::path& out) {
  TRY(auto key, root.unlock(passphrase));
  TRY_VOID(root.load_crl());
  TRY_VOID(make_folder(out));
  for (const auto& each : proposals) {
    TRY(const auto certificate, root.sign(each, key));
    TRY_VOID(write_certificate(out / (root::file_stem_of(each.plan().ca_name) + ".pem"), certificate));
  }
  return write_root_files(root, out);
}

}  // namespace sallyport::cli
