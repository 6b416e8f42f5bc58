// How trust in one root becomes trust in the next (RFC 8649; RFC 4210 §4.4, "NewWithOld"; ADR 0015): a link certificate
// carries the new root's key under the old one, which had pinned that key's hash from the day it was made.
#pragma once

#include <span>
#include <vector>

#include "pki/certificate.h"
#include "pki/time_rule.h"

namespace sallyport::pki {

// Rollovers that anybody follows at once.
inline constexpr std::size_t kMaxRootLinks = 4;
// Roots that a device trusts side by side: the newest and the one before.
inline constexpr std::size_t kMaxAnchorsInUse = 2;
// Roots that an installation trusts: there may be stock of every one of them.
inline constexpr std::size_t kMaxInstallationRoots = 6;

// Whether it has the shape of a link: a CA without a policy that another key than its own has signed. Proves nothing.
bool is_root_link(const Certificate& certificate);

// Returns the roots that whoever trusts `anchors` (newest first) is to trust from now on, newest first, having been
// shown `shown` (links and self-signed roots, among whatever else, in any order).
//
// A root counts when it is one of `anchors`, or when links lead to its key: each signed by the key before it, pinned by
// the certificate before it, a root link by profile, valid by `time`. What is shown counts only as a whole: when the
// newest of `anchors`, or something newer, is not among it, `anchors` stay as they are, so that nobody leads back.
// Otherwise what is not shown any more is not trusted any more.
std::vector<Certificate> follow_root_links(std::span<const Certificate> anchors, std::span<const Certificate> shown,
                                           const TimeRule& time);

// The roots that an installation shows to devices, of those it trusts (newest first): the newest, and what else one of
// `cas` was signed by. What is shown no more, devices forget.
std::vector<Certificate> select_shown_roots(std::span<const Certificate> roots, std::span<const Certificate> cas);

}  // namespace sallyport::pki
