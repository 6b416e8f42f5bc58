// The rules of a profile, judged on a parsed certificate: by the issuer before it signs, by the verifier on every path.
#pragma once

#include "pki/certificate.h"
#include "pki/profile.h"
#include "pki/reason.h"

namespace sallyport::pki::detail {

// All rules but signature and current time. `issuer` null: self-signed.
Verdict<void> check_profile(const Profile& profile, const Certificate& certificate, const Certificate* issuer);

// All rules but signature and any time.
Verdict<void> check_profile_apart_from_time(const Profile& profile, const Certificate& certificate,
                                            const Certificate* issuer);

// The kind of CA that `certificate` says it is by its policy; refused when it has not exactly one policy of ours.
Verdict<CaKind> ca_kind_by_policy(const Certificate& certificate);

// The DNS subtrees that a CA of ours is permitted; empty when it has no constraint.
std::span<const std::string> permitted_subtrees(const Certificate& ca);

// The path of a person's URI: https://<namespace>/<login>.
std::string person_uri(std::string_view name_space, std::string_view login);
// The login in it, empty when `uri` is another.
std::string_view login_in(std::string_view uri, std::string_view name_space);
// 1 to 64 characters of a-z 0-9 . _ @ + -
bool is_login(std::string_view text);
// What stands before "." + subtree in `name` when that is one label; empty otherwise.
std::string_view label_before(std::string_view name, std::string_view subtree);

}  // namespace sallyport::pki::detail
