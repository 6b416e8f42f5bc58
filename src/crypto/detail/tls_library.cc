#include "crypto/detail/tls_library.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <openssl/core_dispatch.h>
#include <openssl/provider.h>

#include "crypto/detail/evp.h"

namespace sallyport::crypto {
namespace {

// Keys of certificates, of key exchange (kHybridGroups), and of the MAC in Finished. libssl offers rsa_pss_rsae only
// where RSA-PSS is there.
constexpr std::array<std::string_view, 9> kKeyManagers = {
    "RSA", "RSA-PSS", "EC", "ED25519", "X25519", "X25519MLKEM768", "ML-KEM", "HMAC", "HKDF"};
constexpr std::array<std::string_view, 3> kDecodedKeys = {"RSA", "EC", "ED25519"};
constexpr std::string_view kDecodedStructure = "structure=SubjectPublicKeyInfo";

// An entry's names are "first:second:1.2.3".
std::string_view first_name(const OSSL_ALGORITHM& entry) {
  const std::string_view names = entry.algorithm_names;
  return names.substr(0, names.find(':'));
}

// What we hand on of the default provider of a library context of its own.
struct Narrowed {
  OSSL_PROVIDER* whole = nullptr;
  // Each ends with an entry of zeros.
  std::vector<OSSL_ALGORITHM> decoders;
  std::vector<OSSL_ALGORITHM> key_managers;

  template <class Keep>
  static std::vector<OSSL_ALGORITHM> narrow(const OSSL_ALGORITHM* all, Keep keep) {
    std::vector<OSSL_ALGORITHM> out;
    for (; all != nullptr && all->algorithm_names != nullptr; ++all) {
      if (keep(*all)) out.push_back(*all);
    }
    out.push_back({});
    return out;
  }

  bool prepare() {
    OSSL_LIB_CTX* const own = OSSL_LIB_CTX_new();
    if (own == nullptr) return false;
    whole = OSSL_PROVIDER_load(own, "default");
    if (whole == nullptr) return false;
    int no_cache = 0;
    decoders = narrow(OSSL_PROVIDER_query_operation(whole, OSSL_OP_DECODER, &no_cache), [](const auto& entry) {
      const std::string_view properties = entry.property_definition == nullptr ? "" : entry.property_definition;
      return std::ranges::find(kDecodedKeys, first_name(entry)) != kDecodedKeys.end() &&
             properties.find(kDecodedStructure) != std::string_view::npos;
    });
    key_managers = narrow(OSSL_PROVIDER_query_operation(whole, OSSL_OP_KEYMGMT, &no_cache), [](const auto& entry) {
      return std::ranges::find(kKeyManagers, first_name(entry)) != kKeyManagers.end();
    });
    return decoders.size() > 1 && key_managers.size() > 1;
  }
};

// Never freed: OpenSSL may call it as long as the process lives.
Narrowed& narrowed() {
  static auto& instance = *new Narrowed;
  return instance;
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  switch (operation) {
    case OSSL_OP_DECODER:
      *no_cache = 0;
      return narrowed().decoders.data();
    case OSSL_OP_KEYMGMT:
      *no_cache = 0;
      return narrowed().key_managers.data();
    case OSSL_OP_ENCODER:
    case OSSL_OP_STORE:
      return nullptr;
    default:
      return OSSL_PROVIDER_query_operation(narrowed().whole, operation, no_cache);
  }
}

const OSSL_PARAM* gettable_parameters(void*) {
  return OSSL_PROVIDER_gettable_params(narrowed().whole);
}

int get_parameters(void*, OSSL_PARAM parameters[]) {
  return OSSL_PROVIDER_get_params(narrowed().whole, parameters);
}

int get_capabilities(void*, const char* capability, OSSL_CALLBACK* tell, void* whom) {
  return OSSL_PROVIDER_get_capabilities(narrowed().whole, capability, tell, whom);
}

template <class Function>
OSSL_DISPATCH dispatch(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int begin(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** context) {
  static const std::array table = {dispatch(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                   dispatch(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_parameters),
                                   dispatch(OSSL_FUNC_PROVIDER_GET_PARAMS, get_parameters),
                                   dispatch(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, get_capabilities),
                                   OSSL_DISPATCH{0, nullptr}};
  *out = table.data();
  *context = OSSL_PROVIDER_get0_provider_ctx(narrowed().whole);  // its algorithms are given this
  return 1;
}

OSSL_LIB_CTX* make_tls_library() {
  const ErrorQueueGuard guard;
  int others = 0;
  OSSL_PROVIDER_do_all(
      nullptr,
      [](OSSL_PROVIDER* provider, void* count) {
        if (std::string_view(OSSL_PROVIDER_get0_name(provider)) != "default") ++*static_cast<int*>(count);
        return 1;
      },
      &others);
  if (others != 0 || OSSL_PROVIDER_available(nullptr, "default") != 1 || !narrowed().prepare()) return nullptr;
  OSSL_LIB_CTX* const library = OSSL_LIB_CTX_new();
  const bool is_made = library != nullptr && OSSL_PROVIDER_add_builtin(library, "sallyport-tls", begin) == 1 &&
                       OSSL_PROVIDER_load(library, "sallyport-tls") != nullptr;
  if (is_made) return library;
  OSSL_LIB_CTX_free(library);
  return nullptr;
}

}  // namespace

OSSL_LIB_CTX* tls_library() {
  static OSSL_LIB_CTX* const library = make_tls_library();
  return library;
}

}  // namespace sallyport::crypto
