// Our side of a Noise handshake as a program, for the test that has it shake hands with others'
// (tests/e2e/test_noise.py).
//
//   noise_ours nnpsk0|nk initiator|responder PROLOGUE KEY E PAYLOAD      all in hex, "-" for nothing
//
// KEY is the psk, or of nk the responder's public key at the initiator and its private key at the responder; E the
// private ephemeral key. Messages go out as lines "message HEX" and come in as lines HEX; then "payload HEX" and "proof
// HEX HEX HEX": what each transport key makes of the text "proof", and the handshake hash.
#include <iostream>
#include <string>
#include <vector>

#include "codec/text.h"
#include "crypto/aead.h"
#include "sealed/detail/noise.h"

namespace {

using namespace sallyport;
using namespace sallyport::sealed;

struct Words {
  bool psk = false;
  bool initiates = false;
  Bytes prologue, key, ephemeral, payload;
};

Bytes hex_word(const std::string& word) {
  return word == "-" ? Bytes() : codec::decode_hex(word).value();
}

Secret<32> secret(const Bytes& bytes) {
  return Secret<32>::from(bytes).value();
}

AgreementPublic public_key(ByteView bytes) {
  return Reader(bytes).array<32>().value();
}

void say(const char* what, ByteView bytes) {
  std::cout << what << ' ' << codec::encode_hex(bytes) << std::endl;
}

Bytes hear() {
  std::string line;
  std::getline(std::cin, line);
  return hex_word(line);
}

void prove(const NoiseSecrets& secrets) {
  const auto proof = [](const Secret<32>& key) {
    return codec::encode_hex(crypto::aead_seal(key, {}, {}, as_bytes("proof")));
  };
  std::cout << "proof " << proof(secrets.to_responder) << ' ' << proof(secrets.to_initiator) << ' '
            << codec::encode_hex(secrets.hash) << std::endl;
}

int initiate(const Words& words) {
  AgreementKey ephemeral = AgreementKey::from_private(secret(words.ephemeral));
  auto noise = words.psk ? NoiseInitiator::nnpsk0(words.prologue, secret(words.key), std::move(ephemeral))
                         : NoiseInitiator::nk(words.prologue, public_key(words.key), std::move(ephemeral)).value();
  say("message", noise.write(words.payload));
  const auto finished = noise.read(hear());
  if (!finished) return 1;
  say("payload", finished->payload.expose());
  prove(finished->secrets);
  return 0;
}

int respond(const Words& words) {
  const Bytes message = hear();
  if (message.size() < 32) return 1;
  const AgreementPublic theirs = public_key(message);
  auto noise = words.psk
                   ? NoiseResponder::nnpsk0(words.prologue, secret(words.key), theirs)
                   : NoiseResponder::nk(words.prologue, AgreementKey::from_private(secret(words.key)), theirs).value();
  const auto payload = noise.read(ByteView(message).subspan(32));
  if (!payload || !noise.agree(AgreementKey::from_private(secret(words.ephemeral)))) return 1;
  say("payload", payload->expose());
  const auto finished = noise.write(words.payload);
  say("message", finished.message);
  prove(finished.secrets);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 7) return 2;
  const std::vector<std::string> given(words, words + count);
  const Words parsed{.psk = given[1] == "nnpsk0",
                     .initiates = given[2] == "initiator",
                     .prologue = hex_word(given[3]),
                     .key = hex_word(given[4]),
                     .ephemeral = hex_word(given[5]),
                     .payload = hex_word(given[6])};
  return parsed.initiates ? initiate(parsed) : respond(parsed);
}
