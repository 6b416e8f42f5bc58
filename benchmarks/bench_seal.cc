// Requests of 64 bytes of sealed RPC per second on one core: sealed at the caller, found by their tag and opened at the
// node; the bound, two AES-256-GCM of 64 bytes with kept contexts and nothing else; and a call as long in the formats
// of EVA ICS v3, which are no envelopes but the call itself, so that it is written and read as well.
//
//   bench_seal ours|bound|eva-binary|eva-text SECONDS     prints {"per_second":…}
//   bench_seal ours|eva-binary|eva-text overhead          prints {"bytes":…}: of a message, beyond the JSON-RPC in it
//
// What it measures is private to its layer.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <openssl/evp.h>

#include "base/random.h"
#include "base/time.h"
#include "sealed/detail/session.h"
#include "sealed/eva_binary.h"
#include "sealed/eva_text.h"

namespace {

using namespace sallyport;

constexpr std::size_t kBody = 64;
constexpr int kBatch = 1'024;

struct Ours {
  Ours() { begin(); }
  void begin() {
    const sealed::SessionKeys keys{.request = Secret<32>(random.array<32>()),
                                   .reply = Secret<32>(random.array<32>()),
                                   .request_tags = Secret<32>(random.array<32>()),
                                   .reply_tags = Secret<32>(random.array<32>())};
    caller = std::make_unique<sealed::CallerSession>(keys);
    node.reset();
    node = std::make_unique<sealed::NodeSession>(keys, table, 0);
  }
  bool once() {
    if (caller->requests() == sealed::kMaxSessionRequests) begin();
    caller->seal(context, body, message);
    const auto place = table.find(sealed::read_tag(message));
    return place && node->open(context, place->request, message, opened);
  }
  std::size_t overhead() {
    caller->seal(context, body, message);
    return message.size() - body.size();
  }

  SeededRandom random{1};
  sealed::RequestTable table;
  sealed::SessionContext context{"plant/pump-7/api/request", sealed::NodeName("pump-7")};
  std::unique_ptr<sealed::CallerSession> caller;
  std::unique_ptr<sealed::NodeSession> node;
  Bytes body = Bytes(kBody, 0x20);
  Bytes message = Bytes(kBody + sealed::kDataBytes);
  Bytes opened = Bytes(kBody);
};

struct Bound {
  Bound() {
    const Bytes key(32, 0x42);
    EVP_CipherInit_ex(sealing, EVP_aes_256_gcm(), nullptr, key.data(), nullptr, 1);
    EVP_CipherInit_ex(opening, EVP_aes_256_gcm(), nullptr, key.data(), nullptr, 0);
  }
  ~Bound() {
    EVP_CIPHER_CTX_free(sealing);
    EVP_CIPHER_CTX_free(opening);
  }
  bool once() {
    for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(count >> (8 * i));
    ++count;
    int size = 0;
    return EVP_CipherInit_ex(sealing, nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
           EVP_CipherUpdate(sealing, sealed.data(), &size, body.data(), kBody) == 1 &&
           EVP_CipherFinal_ex(sealing, sealed.data() + kBody, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, 16, sealed.data() + kBody) == 1 &&
           EVP_CipherInit_ex(opening, nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
           EVP_CipherUpdate(opening, opened.data(), &size, sealed.data(), kBody) == 1 &&
           EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, 16, sealed.data() + kBody) == 1 &&
           EVP_CipherFinal_ex(opening, opened.data() + kBody, &size) == 1;
  }

  EVP_CIPHER_CTX* sealing = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* opening = EVP_CIPHER_CTX_new();
  std::uint64_t count = 0;
  std::array<std::uint8_t, 12> nonce{};
  Bytes body = Bytes(kBody, 0x20);
  Bytes sealed = Bytes(kBody + 16);
  Bytes opened = Bytes(kBody + 16);
};

// What both formats of EVA are asked to carry: JSON-RPC of kBody bytes.
struct EvaCall {
  EvaCall() {
    const std::size_t bare = text_of(call).size();
    call.params["a"] = std::string(kBody - bare - std::string_view("\"a\":\"\"").size(), 'x');
  }
  static std::string text_of(const sealed::eva::Call& call) {
    return codec::Json(codec::Json::Object{
                           {"jsonrpc", "2.0"}, {"id", *call.id}, {"method", call.method}, {"params", call.params}})
        .write();
  }
  sealed::eva::Body body() const { return sealed::eva::Body::of_call(call, key.expose()); }

  SeededRandom random{1};
  sealed::eva::Key key = sealed::eva::Key::from(sealed::eva::KeyId("bench"), "a secret of the benchmark").value();
  sealed::eva::Limits limits;
  sealed::eva::Call call{.method = "look", .params = {}, .id = codec::Json(1)};
};

struct EvaBinary : EvaCall {
  Bytes seal() {
    return seal_binary_request(key, sealed::eva::Packing::plain, random.array<16>(), body(), random.array<16>());
  }
  bool once() {
    const Bytes message = seal();
    const auto request = sealed::eva::parse_binary_request(message);
    return request && open_binary_request(*request, key, limits);
  }
  std::size_t overhead() { return seal().size() - text_of(call).size(); }
};

struct EvaText : EvaCall {
  std::string seal() { return seal_text_request(key, call_id, body(), now, random.array<16>()); }
  bool once() {
    const std::string message = seal();
    const auto request = sealed::eva::parse_text_request(message);
    return request && open_text_request(*request, key, now, limits);
  }
  std::size_t overhead() { return seal().size() - text_of(call).size(); }

  sealed::eva::CallId call_id = sealed::eva::call_id_of(random.array<16>());
  UnixTime now{1'800'000'000};
};

template <class Work>
int measure(double wanted) {
  Work work;
  const SystemClock clock;
  const Instant began = clock.monotonic();
  std::uint64_t done = 0;
  double took = 0;
  while (took < wanted) {
    for (int i = 0; i < kBatch; ++i) {
      if (!work.once()) return 1;
    }
    done += kBatch;
    took = std::chrono::duration<double>(clock.monotonic() - began).count();
  }
  std::printf("{\"per_second\":%.1f}\n", static_cast<double>(done) / took);
  return 0;
}

template <class Work>
int tell_overhead() {
  std::printf("{\"bytes\":%zu}\n", Work().overhead());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const std::string_view what = words[1];
  if (std::string_view(words[2]) == "overhead") {
    if (what == "ours") return tell_overhead<Ours>();
    if (what == "eva-binary") return tell_overhead<EvaBinary>();
    return what == "eva-text" ? tell_overhead<EvaText>() : 2;
  }
  const double wanted = std::atof(words[2]);
  if (what == "ours") return measure<Ours>(wanted);
  if (what == "bound") return measure<Bound>(wanted);
  if (what == "eva-binary") return measure<EvaBinary>(wanted);
  return what == "eva-text" ? measure<EvaText>(wanted) : 2;
}
