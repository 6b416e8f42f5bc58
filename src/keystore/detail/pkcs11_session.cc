#include "keystore/detail/pkcs11_session.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "codec/der.h"
#include "keystore/file.h"

namespace sallyport::keystore {
namespace {

constexpr CK_ULONG kMaxSlots = 256;
constexpr CK_ULONG kMaxObjects = 8;
constexpr CK_ULONG kMaxAttribute = 256;
constexpr CK_ULONG kSignature = 64;
// RFC 5480 §2.1.1.1: secp256r1.
constexpr std::array<std::uint8_t, 10> kP256 = {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};

std::unexpected<Error> refused(std::string_view what, CK_RV why) {
  const auto as = [&](Errc code, std::string_view sentence) { return failf(code, "pkcs11: {}: {}", what, sentence); };
  switch (why) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
      return as(Errc::unauthorized, "wrong PIN; it is not tried again, the token would lock itself");
    case CKR_PIN_LOCKED:
      return as(Errc::unauthorized, "the token has locked its PIN");
    case CKR_PIN_EXPIRED:
      return as(Errc::unauthorized, "the PIN has expired");
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_DEVICE_REMOVED:
      return as(Errc::unavailable, "the token is not there");
    default:
      return failf(Errc::unavailable, "pkcs11: {}: the token answered {:#x}", what, static_cast<unsigned long>(why));
  }
}

Result<CK_FUNCTION_LIST*> load_module(const std::filesystem::path& path) {
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return failf(Errc::not_found, "pkcs11: {}: cannot be loaded as a module", path.string());
  void* symbol = ::dlsym(module, "C_GetFunctionList");
  if (symbol == nullptr) return failf(Errc::not_found, "pkcs11: {}: is no PKCS #11 module", path.string());
  CK_FUNCTION_LIST* functions = nullptr;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how dlsym gives functions.
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(symbol);
  if (const CK_RV why = get(&functions); why != CKR_OK) return refused("module", why);
  CK_C_INITIALIZE_ARGS locking{};
  locking.flags = CKF_OS_LOCKING_OK;
  const CK_RV why = functions->C_Initialize(&locking);
  if (why != CKR_OK && why != CKR_CRYPTOKI_ALREADY_INITIALIZED) return refused("module", why);
  return functions;
}

// Labels are padded with blanks (PKCS #11 2.40 §3.2).
std::string trimmed(std::span<const CK_UTF8CHAR> label) {
  std::string out(label.begin(), label.end());
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

Result<CK_SLOT_ID> find_slot(CK_FUNCTION_LIST* functions, const std::string& label) {
  std::array<CK_SLOT_ID, kMaxSlots> slots{};
  CK_ULONG count = kMaxSlots;
  if (const CK_RV why = functions->C_GetSlotList(CK_TRUE, slots.data(), &count); why != CKR_OK)
    return refused("slots", why);
  std::optional<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : std::span(slots).first(count)) {
    CK_TOKEN_INFO about{};
    if (functions->C_GetTokenInfo(slot, &about) != CKR_OK || trimmed(about.label) != label) continue;
    if (found) return failf(Errc::conflict, "pkcs11: found two tokens '{}', want one", label);
    found = slot;
  }
  if (!found) return failf(Errc::not_found, "pkcs11: found no token '{}'", label);
  return *found;
}

template <class T>
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof(value)};
}

CK_ATTRIBUTE text_attribute(CK_ATTRIBUTE_TYPE type, std::string& value) {
  return {type, value.data(), value.size()};
}

}  // namespace

Pkcs11Session::Pkcs11Session(Pkcs11Session&& other) noexcept
    : functions_(std::exchange(other.functions_, nullptr)), session_(other.session_), owner_(other.owner_) {}

Pkcs11Session& Pkcs11Session::operator=(Pkcs11Session&& other) noexcept {
  std::swap(functions_, other.functions_);
  std::swap(session_, other.session_);
  std::swap(owner_, other.owner_);
  return *this;
}

Pkcs11Session::~Pkcs11Session() {
  if (functions_ != nullptr && ::getpid() == owner_) functions_->C_CloseSession(session_);
}

Result<Pkcs11Session> Pkcs11Session::open(const Pkcs11Uri& uri) {
  TRY(CK_FUNCTION_LIST * functions, load_module(uri.module));
  TRY(const CK_SLOT_ID slot, find_slot(functions, uri.token));
  CK_SESSION_HANDLE handle = 0;
  const CK_RV why = functions->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle);
  if (why != CKR_OK) return refused("session", why);
  Pkcs11Session session(functions, handle);
  TRY_VOID(session.log_in(uri));
  return session;
}

Result<void> Pkcs11Session::log_in(const Pkcs11Uri& uri) {
  TRY(const auto file, read_secret_file(uri.pin_source, kMaxPin + 1));
  ByteView pin = file.expose();
  if (!pin.empty() && pin.back() == '\n') pin = pin.first(pin.size() - 1);
  if (pin.empty()) return failf(Errc::malformed, "{}: found no PIN", uri.pin_source.string());
  // The interface takes it as changeable, and does not change it.
  auto* const text = const_cast<CK_UTF8CHAR*>(pin.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  const CK_RV why = functions_->C_Login(session_, CKU_USER, text, pin.size());
  if (why != CKR_OK && why != CKR_USER_ALREADY_LOGGED_IN) return refused("login", why);
  return {};
}

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Session::find_objects(CK_OBJECT_CLASS kind, const std::string& label) {
  std::string wanted = label;
  CK_KEY_TYPE type = CKK_EC;
  std::array query{attribute(CKA_CLASS, kind), attribute(CKA_KEY_TYPE, type), text_attribute(CKA_LABEL, wanted)};
  if (const CK_RV why = functions_->C_FindObjectsInit(session_, query.data(), query.size()); why != CKR_OK)
    return refused("search", why);
  std::array<CK_OBJECT_HANDLE, kMaxObjects> found{};
  CK_ULONG count = 0;
  const CK_RV why = functions_->C_FindObjects(session_, found.data(), found.size(), &count);
  functions_->C_FindObjectsFinal(session_);
  if (why != CKR_OK) return refused("search", why);
  return std::vector(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
}

Result<Bytes> Pkcs11Session::read_attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  Bytes value(kMaxAttribute);
  CK_ATTRIBUTE wanted{type, value.data(), value.size()};
  if (const CK_RV why = functions_->C_GetAttributeValue(session_, object, &wanted, 1); why != CKR_OK)
    return refused("key", why);
  if (wanted.ulValueLen > value.size()) return fail(Errc::malformed, "pkcs11: key: an attribute too long");
  value.resize(wanted.ulValueLen);
  return value;
}

Result<Bytes> Pkcs11Session::read_point(CK_OBJECT_HANDLE object) {
  TRY(const auto curve, read_attribute(object, CKA_EC_PARAMS));
  if (!equal(curve, kP256)) return fail(Errc::malformed, "pkcs11: key: found another curve, want P-256 by name");
  TRY(const auto whole, read_attribute(object, CKA_EC_POINT));
  // PKCS #11 2.40 wants the point inside an OCTET STRING; some tokens give it bare.
  if (whole.size() == 65) return whole;
  codec::der::Reader reader(whole);
  TRY(const auto inner, reader.element(codec::der::Tag::octet_string));
  TRY_VOID(reader.finish("point"));
  return to_bytes(inner.content);
}

Result<std::optional<Pkcs11KeyPair>> Pkcs11Session::find(const std::string& label) {
  TRY(const auto private_keys, find_objects(CKO_PRIVATE_KEY, label));
  TRY(const auto public_keys, find_objects(CKO_PUBLIC_KEY, label));
  if (private_keys.empty() && public_keys.empty()) return std::nullopt;
  if (private_keys.size() != 1 || public_keys.size() != 1) {
    return failf(Errc::conflict, "pkcs11: found {} private and {} public keys '{}', want one of each",
                 private_keys.size(), public_keys.size(), label);
  }
  TRY(auto point, read_point(public_keys.front()));
  return Pkcs11KeyPair{private_keys.front(), std::move(point)};
}

Result<Pkcs11KeyPair> Pkcs11Session::generate(const std::string& label) {
  std::string name = label;
  auto curve = kP256;
  CK_BBOOL yes = CK_TRUE;
  CK_BBOOL no = CK_FALSE;
  std::array public_template{attribute(CKA_EC_PARAMS, curve), attribute(CKA_TOKEN, yes), attribute(CKA_VERIFY, yes),
                             text_attribute(CKA_LABEL, name)};
  std::array private_template{attribute(CKA_TOKEN, yes),     attribute(CKA_PRIVATE, yes),
                              attribute(CKA_SENSITIVE, yes), attribute(CKA_EXTRACTABLE, no),
                              attribute(CKA_SIGN, yes),      text_attribute(CKA_LABEL, name)};
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE private_key = 0;
  const CK_RV why =
      functions_->C_GenerateKeyPair(session_, &mechanism, public_template.data(), public_template.size(),
                                    private_template.data(), private_template.size(), &public_key, &private_key);
  if (why != CKR_OK) return refused("key generation", why);
  TRY(auto point, read_point(public_key));
  return Pkcs11KeyPair{private_key, std::move(point)};
}

Result<Bytes> Pkcs11Session::sign(CK_OBJECT_HANDLE key, ByteView digest, bool& forgotten) {
  forgotten = false;
  if (::getpid() != owner_) return fail(Errc::internal, "pkcs11: the session is another process's");
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  CK_RV why = functions_->C_SignInit(session_, &mechanism, key);
  Bytes signature(kSignature);
  CK_ULONG size = signature.size();
  Bytes data = to_bytes(digest);
  if (why == CKR_OK) why = functions_->C_Sign(session_, data.data(), data.size(), signature.data(), &size);
  forgotten = why == CKR_SESSION_HANDLE_INVALID || why == CKR_SESSION_CLOSED || why == CKR_USER_NOT_LOGGED_IN ||
              why == CKR_OBJECT_HANDLE_INVALID || why == CKR_KEY_HANDLE_INVALID || why == CKR_DEVICE_REMOVED;
  if (why != CKR_OK) return refused("signature", why);
  if (size != kSignature) return failf(Errc::unavailable, "pkcs11: signature of {} octets, want {}", size, kSignature);
  return signature;
}

}  // namespace sallyport::keystore
