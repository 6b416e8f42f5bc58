// What a server or proxy wants to know of whoever asks: the challenges of an Authenticate field (RFC 9110 §11.6.1).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::tunnel {

struct AuthChallenge {
  std::string scheme;                                           // in lower case: "basic", "digest", "negotiate"
  std::vector<std::pair<std::string, std::string>> parameters;  // names in lower case, values without their quotes

  // The first of that name; null: there is none. Borrows.
  const std::string* find(std::string_view name) const;
};

// Adds the challenges that one field's value has; a token68 is left out. What comes behind a fault, and what is over
// kMaxAuthChallenges or kMaxAuthParameters, is not read: a proxy that writes its realm without quotes is still
// answered.
void read_challenges(std::string_view field, std::vector<AuthChallenge>& into);

}  // namespace sallyport::tunnel
