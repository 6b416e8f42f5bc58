// Our bytes against tests/vectors/sealed/sealed.txt, which a program of its own makes from the specification.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "codec/text.h"
#include "sealed/bundle.h"
#include "sealed/detail/noise.h"
#include "sealed/detail/session.h"
#include "sealed/messages.h"
#include "sealed/responder.h"

namespace sallyport::sealed {
namespace {

using VectorFields = std::map<std::string, std::string>;

// "[title]" lines, each followed by "name = value" lines; '#' begins a comment.
std::map<std::string, VectorFields> read_vectors() {
  std::ifstream stream(SALLYPORT_SOURCE_DIR "/tests/vectors/sealed/sealed.txt");
  std::map<std::string, VectorFields> out;
  std::string title;
  for (std::string line; std::getline(stream, line);) {
    const auto equals = line.find(" = ");
    if (line.starts_with('[')) title = line.substr(1, line.size() - 2);
    if (equals != std::string::npos && !line.starts_with('#'))
      out[title][line.substr(0, equals)] = line.substr(equals + 3);
  }
  return out;
}

class SealedVectors : public ::testing::Test {
 protected:
  Bytes hex(const std::string& section, const std::string& name) {
    return codec::decode_hex(vectors.at(section).at(name)).value();
  }
  const std::string& text(const std::string& section, const std::string& name) { return vectors.at(section).at(name); }
  template <std::size_t N>
  std::array<std::uint8_t, N> array(const std::string& section, const std::string& name) {
    const Bytes bytes = hex(section, name);
    return Reader(bytes).array<N>().value();
  }
  AgreementKey key(const std::string& section, const std::string& name) {
    return AgreementKey::from_private(Secret<32>(array<32>(section, name)));
  }
  void expect_session(const std::string& section, const NoiseSecrets& secrets, const Bytes& init) {
    const SessionKeys keys = derive_session_keys(secrets);
    EXPECT_TRUE(keys.request.equals(hex(section, "k_request")));
    EXPECT_TRUE(keys.reply.equals(hex(section, "k_reply")));
    EXPECT_TRUE(keys.request_tags.equals(hex(section, "t_request")));
    EXPECT_TRUE(keys.reply_tags.equals(hex(section, "t_reply")));
    CallerSession caller(keys);
    RequestTable table;
    NodeSession session(keys, table, 0);
    const Bytes body = hex(section, "body");
    std::vector<Bytes> data;
    for (int n = 0; n <= 64; ++n) caller.seal(context, body, data.emplace_back(body.size() + kDataBytes));
    EXPECT_EQ(data[0], hex(section, "data_0"));
    EXPECT_EQ(data[1], hex(section, "data_1"));
    EXPECT_EQ(data[64], hex(section, "data_64"));
    ReplyBody done;
    done.json = R"({"jsonrpc":"2.0","id":1,"result":{"ok":true}})";
    ReplyBody half{.status = ReplyStatus::progress, .json = "half"};
    const Bytes result = encode_reply_body(done);
    const auto reply = [&](std::uint64_t n, std::uint32_t chunk, const Bytes& text, const Bytes& to) {
      return session.seal_reply(context, n, chunk, tail_of(to), text);
    };
    EXPECT_EQ(reply(0, 0, result, data[0]), hex(section, "reply_0_0"));
    EXPECT_EQ(reply(1, 0, encode_reply_body(half), data[1]), hex(section, "progress_1_0"));
    EXPECT_EQ(reply(1, 1, result, data[1]), hex(section, "reply_1_1"));
    EXPECT_EQ(reply(kInitRequest, 0, result, init), hex(section, "reply_init_0"));
  }

  std::map<std::string, VectorFields> vectors = read_vectors();
  NodeName node{text("keys", "node")};
  std::string topic = text("keys", "topic");
  UnixTime time{std::stoll(text("keys", "time"))};
  SessionContext context{topic, node};
};

TEST_F(SealedVectors, KeysAndHints) {
  const ApiKey api_key = parse_api_key(text("keys", "api_key")).value();
  EXPECT_TRUE(api_key.secret.equals(hex("keys", "secret")));
  EXPECT_EQ(as_text(to_text(api_key).expose()), text("keys", "api_key"));
  const NodeKey node_key = derive_node_key(api_key.secret, node);
  EXPECT_TRUE(node_key.equals(hex("keys", "node_key")));
  EXPECT_EQ(to_bytes(hint_at(node_key, time)), hex("keys", "hint"));
  EXPECT_EQ(to_bytes(hint_without_clock(node_key)), hex("keys", "hint_without_clock"));
  EXPECT_EQ(message_context(MessageType::data, topic, node), hex("keys", "context_54"));
  EXPECT_EQ(request_topic(TopicPrefix("plant"), node), topic);
}

TEST_F(SealedVectors, InitAcceptAndTheirSession) {
  const Secret<32> psk(array<32>("keys", "node_key"));
  const Hint hint = array<6>("keys", "hint");
  const Bytes prologue = init_prologue(topic, node, hint);
  const Bytes payload = encode_init_payload(time, encode_request_body({}));
  auto initiator = NoiseInitiator::nnpsk0(prologue, psk, key("init", "e_private"));
  EXPECT_EQ(to_bytes(initiator.ephemeral()), hex("init", "e"));
  EXPECT_EQ(codec::encode_base64url(derive_inbox(psk.expose(), initiator.ephemeral())), text("init", "inbox"));
  Bytes init{0x51};
  append(init, hint);
  append(init, initiator.write(payload));
  EXPECT_EQ(init, hex("init", "init"));
  EXPECT_EQ(init.size(), kInitBytes + 1);
  const auto view = parse_init(init).value();
  auto responder = NoiseResponder::nnpsk0(prologue, psk, view.ephemeral);
  ASSERT_TRUE(responder.read(view.sealed));
  ASSERT_TRUE(responder.agree(key("init", "answer_private")));
  const auto finished = responder.write(encode_reply_body({}));
  Bytes accept{0x53};
  append(accept, finished.message);
  EXPECT_EQ(accept, hex("init", "accept"));
  EXPECT_EQ(accept.size(), kAcceptBytes + 1);
  expect_session("session", finished.secrets, init);
  expect_session("session", initiator.read(finished.message)->secrets, init);
}

TEST_F(SealedVectors, InitCertAcceptAndTheirSession) {
  const AgreementKey prekey = key("init-cert", "prekey_private");
  EXPECT_EQ(to_bytes(prekey.public_key()), hex("init-cert", "prekey"));
  const Bytes id_bytes = hex("init-cert", "prekey_id");
  const std::uint32_t id = Reader(id_bytes).u32().value();
  const Bytes prologue = init_cert_prologue(topic, node, id);
  auto initiator = NoiseInitiator::nk(prologue, prekey.public_key(), key("init", "e_private")).value();
  EXPECT_EQ(codec::encode_base64url(derive_inbox(initiator.es()->expose(), initiator.ephemeral())),
            text("init-cert", "inbox"));
  const Bytes chain = hex("init-cert", "chain");
  EXPECT_EQ(caller_signing_input(initiator.hash(), time, chain), hex("init-cert", "signed"));
  EXPECT_EQ(split_chain(chain)->size(), 2U);
  const Bytes signature = hex("init-cert", "signature");
  Bytes init{0x52};
  append(init, hex("init-cert", "prekey_id"));
  append(init, initiator.write(encode_certified_payload(chain, signature, time, encode_request_body({}))));
  EXPECT_EQ(init, hex("init-cert", "init"));
  const auto view = parse_init_cert(init).value();
  auto responder = NoiseResponder::nk(prologue, prekey, view.ephemeral).value();
  const auto opened = responder.read(view.sealed).value();
  EXPECT_EQ(to_bytes(parse_certified_payload(opened.expose())->signature), signature);
  ASSERT_TRUE(responder.agree(key("init", "answer_private")));
  const auto finished = responder.write(encode_reply_body({}));
  Bytes accept{0x53};
  append(accept, finished.message);
  EXPECT_EQ(accept, hex("init-cert", "accept"));
  expect_session("session-cert", finished.secrets, init);
}

TEST_F(SealedVectors, TheBundle) {
  const Bytes payload = hex("bundle", "payload");
  const Bundle bundle = parse_bundle(payload).value();
  EXPECT_EQ(to_bytes(bundle.prekey), hex("init-cert", "prekey"));
  EXPECT_EQ(bundle.sequence, 17U);
  EXPECT_EQ(encode_bundle(bundle), payload);
}

}  // namespace
}  // namespace sallyport::sealed
