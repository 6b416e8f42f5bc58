// One session of one token: C functions with checked answers.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <optional>
#include <span>
#include <string>

#include <p11-kit/pkcs11.h>

#include "base/secret.h"
#include "keystore/pkcs11.h"

namespace sallyport::keystore {

struct Pkcs11KeyPair {
  CK_OBJECT_HANDLE private_key = 0;
  Bytes point;  // uncompressed, 65 octets
};

// Not thread-safe. Holds the module for as long as the process lives: modules do not bear to be unloaded.
class Pkcs11Session {
 public:
  // Loads the module, finds the token, logs in.
  static Result<Pkcs11Session> open(const Pkcs11Uri& uri);
  Pkcs11Session(Pkcs11Session&& other) noexcept;
  Pkcs11Session& operator=(Pkcs11Session&& other) noexcept;
  ~Pkcs11Session();

  // Absent when the token has no private key of this label.
  Result<std::optional<Pkcs11KeyPair>> find(const std::string& label);
  Result<Pkcs11KeyPair> generate(const std::string& label);
  // r and s, 32 octets each. `forgotten` tells whether the token has lost session or login.
  Result<Bytes> sign(CK_OBJECT_HANDLE key, ByteView digest, bool& forgotten);

 private:
  Pkcs11Session(CK_FUNCTION_LIST* functions, CK_SESSION_HANDLE session)
      : functions_(functions), session_(session), owner_(::getpid()) {}
  Result<void> log_in(const Pkcs11Uri& uri);
  Result<std::vector<CK_OBJECT_HANDLE>> find_objects(CK_OBJECT_CLASS kind, const std::string& label);
  Result<Bytes> read_attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  Result<Bytes> read_point(CK_OBJECT_HANDLE object);

  CK_FUNCTION_LIST* functions_ = nullptr;
  CK_SESSION_HANDLE session_ = 0;
  pid_t owner_ = 0;
};

}  // namespace sallyport::keystore
