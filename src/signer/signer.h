// What holds the online keys and decides by itself what they sign (ARCHITECTURE.md): requests in, answers out, no I/O.
//
// The to-be-signed bytes are always built here, by pki::prepare, from the request's fields; whoever commands the
// authority can get nothing signed that detail/rules.cc does not list.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "crypto/key.h"
#include "pki/certificate.h"
#include "pki/signing_request.h"
#include "signer/checkpoint_mark.h"

namespace sallyport::signer {

// A CA whose key is here.
struct CaKey {
  std::string name;  // "server-ca"; "server-ca@<serial>" when a younger one has replaced it: detail/rules.h
  pki::Certificate certificate;
  std::unique_ptr<crypto::SigningKey> key;
};

// A key that signs control objects of one kind. Without a certificate it seals nothing until one was issued for it.
struct ControlKey {
  pki::ControlKind kind{};
  std::unique_ptr<crypto::SigningKey> key;
  std::optional<pki::Certificate> certificate;
};

struct Keys {
  std::vector<CaKey> cas;
  std::vector<ControlKey> control;
  std::unique_ptr<CheckpointMark> checkpoint_mark;  // null: no checkpoint is signed
  // From the first root to the newest, oldest first: permits carry them to stations that know an older root.
  std::vector<pki::Certificate> links = {};
};

// Not thread-safe.
class Signer {
 public:
  // Errc::conflict when a key is not its certificate's, a certificate is not that of the CA its name says, a name or
  // kind comes twice, or there is no online-ca, of which the zone is read. `clock` must outlive the signer.
  static Result<Signer> create(Keys keys, const Clock& clock);
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  ~Signer();

  // Answers one request. Errc::unauthorized: not in the table of what may be signed; Errc::conflict: a number or log
  // that does not rise; Errc::expired: the control key's certificate has ended (ask for a new one first).
  //
  // A control certificate can be issued for the signer's own control key alone, and is in use from the answer on.
  pki::SigningAnswer answer(const pki::SigningRequest& request);
  // The same for bytes as they came; anything that does not parse is answered with its error.
  Bytes answer_bytes(ByteView request);

 private:
  struct State;
  explicit Signer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::signer
