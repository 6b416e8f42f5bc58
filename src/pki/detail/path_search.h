// The search for a path, depth first: every certificate is judged as soon as it is put on the path, so that what cannot
// be right is left early, and every signature is checked once however many paths it is part of.
#pragma once

#include <functional>
#include <optional>

#include "pki/path.h"

namespace sallyport::pki::detail {

// The validity of one certificate by `time`: expired, not_yet_valid.
Verdict<void> check_validity(const Certificate& certificate, const TimeRule& time);
// Whether subject and issuer are the same (RFC 5280 §3.2: self-issued), compared as §7.1 demands.
bool is_self_issued(const Certificate& certificate);

// One search. Borrows everything it is made with.
class PathSearch {
 public:
  // Judges a whole path; a refusal lets the search go on.
  using Accept = std::function<Verdict<void>(const std::vector<Certificate>& path)>;

  PathSearch(const Certificate& leaf, const PathSource& source, const PathRules& rules, Work& work)
      : leaf_(leaf), source_(source), rules_(rules), work_(work) {}

  // The first path that everything holds for. With `alone`, a self-signed leaf that is an anchor is a path by itself.
  Verdict<std::vector<Certificate>> run(const Accept& accept, bool alone);

 private:
  struct Candidate {
    const Certificate* certificate = nullptr;
    bool is_anchor = false;
    std::optional<Bytes> subject;  // canonical; computed when first needed
  };
  struct Signature {
    const std::uint8_t* certificate;
    const std::uint8_t* issuer;
    bool holds;
  };
  enum class Stage : std::uint8_t { nobody, too_long, key, authority, signature, names, whole };

  bool extend(const Accept& accept);
  bool try_issuer(const Candidate& candidate, const Accept& accept);
  bool bears_issuer_name(Candidate& candidate, std::optional<Bytes>& issuer) const;
  bool is_on_path(const Certificate& certificate) const;
  void note_missing_issuer();
  bool note(Stage stage, Refusal refusal);
  Verdict<void> check_limits() const;
  Verdict<void> check_leaf() const;
  Verdict<void> check_authority(const Certificate& ca) const;
  Verdict<void> check_path_length(const Certificate& ca) const;
  Verdict<void> check_signature(const Certificate& issuer);
  Verdict<void> check_names_under(const Certificate& ca);
  Verdict<void> check_extended_uses(const Certificate& certificate, bool is_leaf) const;

  const Certificate& leaf_;
  const PathSource& source_;
  const PathRules& rules_;
  Work& work_;
  std::vector<Candidate> candidates_;
  std::vector<Certificate> path_;
  std::vector<Signature> signatures_;
  std::optional<Refusal> best_;
  std::size_t best_depth_ = 0;
  Stage best_stage_ = Stage::nobody;
};

}  // namespace sallyport::pki::detail
