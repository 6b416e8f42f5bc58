#include "agent/state.h"

#include <fstream>

#include "agent/detail/test_installation.h"
#include "crypto/hash.h"
#include "pki/csr.h"

namespace sallyport::agent {
namespace {

using testing::Folder;
using testing::kNow;
using testing::kZone;
using testing::make_settings;
using testing::Tree;

class AgentStateTest : public ::testing::Test {
 protected:
  Result<AgentState> initialise(Settings settings = make_settings()) {
    return AgentState::initialise(folder / "state", settings, tree.root, random);
  }
  std::vector<pki::Certificate> factory_chain(const crypto::PublicKey& key, const std::string& serial_id) {
    const std::vector<std::string> names = {serial_id + ".site-7.factory." + kZone.get()};
    return {tree.certify(pki::ProfileId::factory_device, tree.site_ca, names, key), tree.site_ca.certificate};
  }

  crypto::SystemRandom random;
  Tree tree;
  Folder folder;
};

TEST_F(AgentStateTest, AsksForTheNameOfTheFactory) {
  auto state = initialise();
  ASSERT_TRUE(state) << state.error().detail;
  const auto der = state->factory_request();
  ASSERT_TRUE(der);
  const auto csr = pki::parse_csr(*der);
  ASSERT_TRUE(csr);
  EXPECT_EQ(csr->dns_names, std::vector<std::string>{"pump-0001.site-7.factory.devices.example"});
}

TEST_F(AgentStateTest, InitialisesTheSameDeviceAgainWithItsKey) {
  Bytes first;
  {
    auto state = initialise();
    ASSERT_TRUE(state);
    first = to_bytes(pki::parse_csr(*state->factory_request())->public_key.spki());
  }
  Settings changed = make_settings();
  changed.services.push_back(*parse_local_target("panel=http:127.0.0.1:8080"));
  auto again = initialise(changed);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(to_bytes(pki::parse_csr(*again->factory_request())->public_key.spki()), first);
  EXPECT_EQ(again->settings().services.size(), 1U);
}

TEST_F(AgentStateTest, RefusesAFolderOfAnotherDeviceOrRoot) {
  ASSERT_TRUE(initialise());
  Settings other = make_settings();
  other.serial_id = SerialId("pump-0002");
  const auto device = initialise(other);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code, Errc::conflict);
  Tree foreign;
  const auto root = AgentState::initialise(folder / "state", make_settings(), foreign.root, random);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, Errc::conflict);
}

TEST_F(AgentStateTest, InstallsOnlyItsOwnFactoryCertificate) {
  auto state = initialise();
  ASSERT_TRUE(state);
  const auto key = pki::parse_csr(*state->factory_request())->public_key;
  EXPECT_FALSE(state->install_factory_certificate(factory_chain(testing::new_key()->public_key(), "pump-0001")));
  EXPECT_FALSE(state->install_factory_certificate(factory_chain(key, "pump-0002")));
  Tree foreign;
  const std::vector<std::string> names = {"pump-0001.site-7.factory.devices.example"};
  EXPECT_FALSE(state->install_factory_certificate(
      {foreign.certify(pki::ProfileId::factory_device, foreign.site_ca, names, key), foreign.site_ca.certificate}));
  EXPECT_FALSE((*state->factory()).has_value());
  const auto installed = state->install_factory_certificate(factory_chain(key, "pump-0001"));
  EXPECT_TRUE(installed) << installed.error().detail;
  EXPECT_TRUE((*state->factory()).has_value());
}

TEST_F(AgentStateTest, RatchetsNeverFall) {
  auto state = initialise();
  ASSERT_TRUE(state);
  Ratchets high{.time_floor = kNow, .root_crl_numbers = {{Bytes{9}, 7}}, .signer_not_before = {{Bytes{1}, kNow}}};
  ASSERT_TRUE(state->raise_ratchets(high));
  Ratchets low{
      .time_floor = kNow - kDay, .root_crl_numbers = {{Bytes{9}, 6}}, .signer_not_before = {{Bytes{1}, kNow - kDay}}};
  ASSERT_TRUE(state->raise_ratchets(low));
  EXPECT_EQ(state->ratchets(), high);
}

TEST_F(AgentStateTest, RatchetsSurviveARestart) {
  const Ratchets seen{
      .time_floor = kNow, .root_crl_numbers = {{Bytes{9}, 7}}, .signer_not_before = {{Bytes{1, 2}, kNow}}};
  {
    auto state = initialise();
    ASSERT_TRUE(state->raise_ratchets(seen));
  }
  auto state = AgentState::open(folder / "state");
  ASSERT_TRUE(state) << state.error().detail;
  EXPECT_EQ(state->ratchets(), seen);
}

TEST_F(AgentStateTest, RefusesRatchetsThatWereTamperedWith) {
  {
    ASSERT_TRUE(initialise());
  }
  std::ofstream(folder / "state" / "ratchets") << "x";
  EXPECT_FALSE(AgentState::open(folder / "state"));
}

TEST(Ratchets, ParseWhatWasEncodedAndNothingElse) {
  const Ratchets value{
      .time_floor = kNow, .root_crl_numbers = {{Bytes{9}, 9}}, .signer_not_before = {{Bytes{1}, kNow}}};
  Bytes bytes = encode_ratchets(value);
  EXPECT_EQ(*parse_ratchets(bytes), value);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const bool whole_fields = cut == 13 || cut == 27;  // before the signer, before the root
    EXPECT_EQ(parse_ratchets(ByteView(bytes).first(cut)).has_value(), whole_fields) << cut;
  }
  bytes.push_back(0);
  EXPECT_FALSE(parse_ratchets(bytes));
}

TEST_F(AgentStateTest, KeepsOneClaimCodeUntilItIsReset) {
  auto state = initialise();
  const auto code = state->claim_code(random);
  ASSERT_TRUE(code);
  EXPECT_EQ(code->size(), 19U);
  EXPECT_EQ(*state->claim_code(random), *code);
  ASSERT_TRUE(state->reset());
  EXPECT_NE(*state->claim_code(random), *code);
}

TEST_F(AgentStateTest, ResetForgetsWhatIsItsOwners) {
  auto state = initialise();
  ASSERT_TRUE(state->operational().pending_key());
  ASSERT_TRUE(state->set_remote_access(true));
  for (const char* name : {"telemetry.db", "telemetry.db-wal", "password"}) std::ofstream(state->file(name)) << "x";
  ASSERT_TRUE(state->reset());
  for (const char* name : {"telemetry.db", "telemetry.db-wal", "password", "remote-access", "operational.0.key"})
    EXPECT_FALSE(std::filesystem::exists(state->file(name))) << name;
  for (const char* name : {"factory.key", "root.pem", "device-secret", "agent.toml"})
    EXPECT_TRUE(std::filesystem::exists(state->file(name))) << name;
}

TEST_F(AgentStateTest, RemovesKeysThatAPowerCutLeftHalfWritten) {
  ASSERT_TRUE(initialise());
  const std::string half = ".operational.0.key.a8Xy0z";
  std::ofstream(folder / "state" / half) << "-----BEGIN PRIVATE KEY-----";
  std::ofstream(folder / "state" / ".note") << "somebody's";
  ASSERT_TRUE(AgentState::open(folder / "state"));
  EXPECT_FALSE(std::filesystem::exists(folder / "state" / half));
  EXPECT_TRUE(std::filesystem::exists(folder / "state" / ".note"));
}

TEST_F(AgentStateTest, RemembersWhichClaimHashWasAcknowledged) {
  auto state = initialise();
  const ClaimHash hash = claim_hash(DeviceName("abcdefghij"), *state->claim_code(random));
  EXPECT_FALSE(state->is_claim_acknowledged(hash));
  ASSERT_TRUE(state->acknowledge_claim(hash));
  EXPECT_TRUE(state->is_claim_acknowledged(hash));
  EXPECT_FALSE(state->is_claim_acknowledged(claim_hash(DeviceName("bbbbbbbbbb"), *state->claim_code(random))));
  ASSERT_TRUE(state->forget_claim_code());
  EXPECT_FALSE(state->is_claim_acknowledged(hash));
  EXPECT_FALSE(*state->find_claim_code());
}

TEST_F(AgentStateTest, ThePublicPortIsTheSettingsOrTheOneToldOrTheRelays) {
  const auto file = folder / "state" / "public-port";
  Settings settings = make_settings();
  settings.public_port.reset();
  settings.relay_address.port = 4443;
  {
    auto state = initialise(settings);
    ASSERT_TRUE(state);
    EXPECT_EQ(state->public_port(), 4443);
    ASSERT_TRUE(state->remember_public_port(8443));
    EXPECT_EQ(state->public_port(), 8443);
    for (const std::string_view nonsense : {"", "8443", "0\n", "65536\n", "-1\n", "8443 \n", "8443\n\n"}) {
      std::ofstream(file) << nonsense;
      EXPECT_EQ(state->public_port(), 4443) << nonsense;
    }
    ASSERT_TRUE(state->remember_public_port(8443));
    EXPECT_EQ(state->public_port(), 8443);
  }
  settings.public_port = 9443;
  auto state = initialise(settings);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->public_port(), 9443);
}

TEST(ClaimHash, IsWhatTheAuthorityComputes) {
  const auto wanted = crypto::sha256(as_bytes("sallyport claim v1abcdefghijabcdefghijklmnop"));
  EXPECT_EQ(claim_hash(DeviceName("abcdefghij"), "abcd-efgh-ijkl-mnop"), wanted);
}

TEST_F(AgentStateTest, TheSwitchOnTheDeviceWinsOverTheSettings) {
  auto state = initialise();
  EXPECT_TRUE(state->remote_access());
  ASSERT_TRUE(state->set_remote_access(false));
  EXPECT_FALSE(state->remote_access());
  std::ofstream(folder / "state" / "remote-access") << "nonsense";
  EXPECT_FALSE(state->remote_access());
}

TEST_F(AgentStateTest, OneAgentAtATime) {
  auto state = initialise();
  const auto second = AgentState::open(folder / "state");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
}

TEST_F(AgentStateTest, AResetForgetsWhoMayCallItsNode) {
  Settings settings = make_settings();
  for (const bool apart : {false, true}) {
    if (apart) settings.node.folder = folder / "rpc-apart";
    auto state = initialise(settings);
    ASSERT_TRUE(state) << state.error().detail;
    ASSERT_TRUE(state->reset()) << "a device without a node";
    std::filesystem::create_directories(state->node_folder());
    for (const char* name : {"keys.json", "rpc.toml"}) std::ofstream(state->node_folder() / name) << "x";
    ASSERT_TRUE(state->reset());
    EXPECT_FALSE(std::filesystem::exists(state->node_folder() / "keys.json"));
    EXPECT_TRUE(std::filesystem::exists(state->node_folder() / "rpc.toml"));
  }
}

TEST(AgentSettings, ReadWhatTheyWrite) {
  Settings settings = make_settings();
  settings.services.push_back(*parse_local_target("panel=http:127.0.0.1:8080"));
  settings.services.push_back(*parse_local_target("ssh=tcp:127.0.0.1:22"));
  settings.services.back().proxy_protocol = true;
  settings.telemetry_listen = net::Address{.host = "127.0.0.1", .port = 9100};
  settings.public_port = 8443;
  settings.connect_from = "127.9.0.1";
  settings.relay_fallback = net::Address{.host = "relay.example", .port = 80};
  settings.proxy = *parse_proxy("http://ada:p%40ss%22@proxy.example:3128");
  settings.proxy_login = tunnel::LoginRule::digest_alone;
  settings.proxy_else_direct = true;
  settings.relay_web_socket = net::Address{.host = "gateway.example", .port = 8080};
  const auto read = parse_settings(encode_settings(settings), "agent.toml");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(encode_settings(*read), encode_settings(settings));
  EXPECT_EQ(read->connect_from, "127.9.0.1");
  EXPECT_EQ(read->offered().size(), 3U);
  EXPECT_EQ(as_text(read->proxy->credentials->password.expose()), "p@ss\"");
  EXPECT_EQ(read->relay_fallback, settings.relay_fallback);
  EXPECT_EQ(read->proxy_login, tunnel::LoginRule::digest_alone);
  EXPECT_TRUE(read->proxy_else_direct);
  EXPECT_EQ(read->relay_web_socket, settings.relay_web_socket);
  EXPECT_FALSE(read->services.front().proxy_protocol);
  EXPECT_TRUE(read->services.back().proxy_protocol);
}

TEST(AgentSettings, ReadWhatTheyWriteOfTheirOwnPort) {
  Settings settings = make_settings();
  EXPECT_EQ(parse_settings(encode_settings(settings), "agent.toml")->direct, std::nullopt);
  settings.direct = {.listen = {.host = "::", .port = 8443}, .public_port = std::nullopt};
  settings.services.push_back(*parse_local_target("panel=http:127.0.0.1:8080"));
  settings.node.run = false;
  EXPECT_EQ(parse_settings(encode_settings(settings), "agent.toml")->direct, settings.direct);
  settings.direct->public_port = 443;
  EXPECT_EQ(parse_settings(encode_settings(settings), "agent.toml")->direct, settings.direct);
  const std::string good = encode_settings(make_settings());
  for (const std::string_view wrong :
       {"", "listen = \"pump.example:8443\"", "listen = \"192.0.2.7\"", "listen = 8443",
        "listen = \"192.0.2.7:1\"\npublic_port = 0", "listen = \"192.0.2.7:1\"\nport = 1"}) {
    EXPECT_FALSE(parse_settings(good + "[direct]\n" + std::string(wrong) + "\n", "agent.toml")) << wrong;
  }
}

TEST(AgentSettings, ReadWhatTheyWriteOfTheNode) {
  Settings settings = make_settings();
  EXPECT_EQ(parse_settings(encode_settings(settings), "agent.toml")->node, NodeChoice());
  settings.node = {.run = false, .folder = "/srv/rpc", .user = 990, .name = "pump-1"};
  settings.services.push_back(*parse_local_target("panel=http:127.0.0.1:8080"));
  const auto read = parse_settings(encode_settings(settings), "agent.toml");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->node, settings.node);
}

TEST(AgentSettings, RefuseWhatTheNodeCannotHave) {
  const std::string good = encode_settings(make_settings());
  for (const std::string_view wrong : {"folder = \"rpc\"", "user = 0", "user = 65534", "user = \"rpc\"", "run = 1",
                                       "node = 1", "user = 990", "user = 990\nnode = \"\"", "name = \"a\""}) {
    const auto read = parse_settings(good + "[rpc]\n" + std::string(wrong) + "\n", "agent.toml");
    ASSERT_FALSE(read) << wrong;
    EXPECT_NE(read.error().detail.find("agent.toml:"), std::string::npos) << read.error().detail;
  }
}

// A password in a file stays there, and one in agent.toml is for its owner alone.
TEST_F(AgentStateTest, KeepsTheProxysPasswordToItself) {
  const auto secret = folder / "proxy";
  std::ofstream(secret) << "ada:hunter2\n";
  std::filesystem::permissions(secret, std::filesystem::perms::owner_read);
  Settings settings = make_settings();
  settings.proxy = *parse_proxy("proxy.example:3128");
  settings.proxy_credentials_file = secret;
  {
    ASSERT_TRUE(AgentState::initialise(folder / "filed", settings, tree.root, random));
  }
  {
    const auto opened = AgentState::open(folder / "filed");
    ASSERT_TRUE(opened) << opened.error().detail;
    ASSERT_TRUE(opened->settings().proxy->credentials);
    EXPECT_EQ(as_text(opened->settings().proxy->credentials->password.expose()), "hunter2");
    EXPECT_EQ(encode_settings(opened->settings()).find("hunter2"), std::string::npos);
  }
  std::filesystem::permissions(secret, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  EXPECT_EQ(AgentState::open(folder / "filed").error().code, Errc::unauthorized);
  std::filesystem::permissions(secret, std::filesystem::perms::owner_all);
  std::ofstream(secret) << "hunter2\n";
  const auto malformed = AgentState::open(folder / "filed");
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().detail.find("hunter2"), std::string::npos) << malformed.error().detail;
  EXPECT_NE(malformed.error().detail.find(secret.native()), std::string::npos) << malformed.error().detail;

  settings.proxy = *parse_proxy("ada:hunter2@proxy.example:3128");
  settings.proxy_credentials_file.clear();
  ASSERT_TRUE(AgentState::initialise(folder / "written", settings, tree.root, random));
  const auto mode = std::filesystem::status(folder / "written" / "agent.toml").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(AgentSettings, RefuseWhatCannotBeMeant) {
  const std::string good = encode_settings(make_settings());
  ASSERT_TRUE(parse_settings(good, "agent.toml"));
  const std::string wrong[] = {
      "remote_acess = true\n",
      "telemetry_listen = \"0.0.0.0:9100\"\n",
      "telemetry_listen = \"no address\"\n",
      "public_port = 0\n",
      "connect_from = \"eth0\"\n",
      "relay_fallback = \"relay.example\"\n",
      "relay_fallback = \"127.0.0.1:1\"\n",
      "proxy = \"https://proxy.example\"\n",
      "proxy = \"http://ada:hunter2%@proxy.example\"\n",
      "proxy = \"http://ada:hunter2@proxy.example:1\"\nproxy_credentials_file = \"/a\"\n",
      "proxy_credentials_file = \"/a\\u0001\"\n",
      "proxy_else_direct = \"yes\"\n",
      "proxy_login = \"ntlm\"\n",
      "proxy = \"socks5://a:b@proxy.example\"\nproxy_login = \"digest\"\n",
      "connect_from = \"127.0.0.1:4000\"\n",
      "[[service]]\nname = \"device\"\nkind = \"http\"\ntarget = \"127.0.0.1:1\"\n",
      "[[service]]\nname = \"a\"\nkind = \"ftp\"\ntarget = \"127.0.0.1:1\"\n",
      "[[service]]\nname = \"a\"\nkind = \"tls\"\ntarget = \"127.0.0.1:1\"\n",
      "[[service]]\nname = \"a\"\nkind = \"tcp\"\ntarget = \"127.0.0.1:1\"\nscript_cookies = true\n",
      "[[service]]\nname = \"a\"\nkind = \"http\"\ntarget = \"127.0.0.1:1\"\nproxy_protocol = true\n",
      "[[service]]\nname = \"A B\"\nkind = \"tcp\"\ntarget = \"127.0.0.1:1\"\n",
      "[[service]]\nname = \"a\"\nkind = \"tcp\"\ntarget = \"127.0.0.1:1\"\n[[service]]\nname = \"a\"\nkind = "
      "\"tcp\"\ntarget = \"127.0.0.1:2\"\n",
      "[[stream]]\nname = \"A B\"\nwhen_full = \"refuse\"\n",
      "[[stream]]\nname = \"a\"\nwhen_full = \"drop_newest\"\n",
      "[[stream]]\nname = \"a\"\nwhen_full = \"refuse\"\n[[stream]]\nname = \"a\"\nwhen_full = \"drop_oldest\"\n",
  };
  for (const std::string& more : wrong) {
    SCOPED_TRACE(more);
    const auto read = parse_settings(good + more, "agent.toml");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::malformed);
    EXPECT_TRUE(read.error().detail.starts_with("agent.toml:")) << read.error().detail;
    EXPECT_EQ(read.error().detail.find("hunter2"), std::string::npos) << read.error().detail;
  }
}

TEST(AgentSettings, AStreamDropsItsOldestOnlyWhereThatIsWritten) {
  Settings settings = make_settings();
  EXPECT_TRUE(parse_settings(encode_settings(settings), "agent.toml")->when_full.empty());
  settings.when_full = {{telemetry::StreamName("vibration"), telemetry::WhenFull::drop_oldest},
                        {telemetry::StreamName("alarms"), telemetry::WhenFull::refuse}};
  EXPECT_EQ(parse_settings(encode_settings(settings), "agent.toml")->when_full, settings.when_full);
}

TEST(LocalTarget, IsNameKindHostAndPort) {
  EXPECT_TRUE(parse_local_target("ssh=tcp:[::1]:22"));
  for (const std::string_view wrong :
       {"", "ssh", "ssh=tcp", "ssh=tcp:22", "=tcp:a:1", "ssh=udp:a:1", "device=http:a:1"})
    EXPECT_FALSE(parse_local_target(wrong)) << wrong;
}

// Where a link of the folder leads; empty where there is none.
std::string target_of(const AgentState& state, std::string_view name) {
  std::error_code none;
  return std::filesystem::read_symlink(state.file(name), none).native();
}

TEST_F(AgentStateTest, OtherProgramsFindTheKeyInUseUnderANameThatStays) {
  auto state = initialise();
  ASSERT_TRUE(state->refresh_links());
  EXPECT_EQ(target_of(*state, "device-roots.pem"), "root.pem");
  EXPECT_EQ(target_of(*state, "device.key"), "") << "there is no operational key yet";
  for (const char* slot : {"operational.0", "operational.1", "operational.0"}) {
    const auto key = state->operational().pending_key();
    ASSERT_TRUE(key);
    const std::vector<std::string> names = {testing::kDevice.get() + "." + kZone.get()};
    const auto leaf = tree.certify(pki::ProfileId::operational_device, tree.online_ca, names, key->public_key());
    ASSERT_TRUE(state->operational().store({leaf, tree.online_ca.certificate}));
    ASSERT_TRUE(state->refresh_links());
    EXPECT_EQ(target_of(*state, "device.key"), std::string(slot) + ".key");
    EXPECT_EQ(target_of(*state, "device.pem"), std::string(slot) + ".pem");
  }
  ASSERT_TRUE(state->reset());
  EXPECT_EQ(target_of(*state, "device.key"), "");
  EXPECT_EQ(target_of(*state, "device.pem"), "");
}

TEST_F(AgentStateTest, OtherProgramsFollowToANewRoot) {
  auto state = initialise();
  ASSERT_TRUE(state->refresh_links());
  const Tree next;
  ASSERT_TRUE(state->take_anchors({next.root, tree.root}));
  ASSERT_TRUE(state->refresh_links());
  EXPECT_EQ(target_of(*state, "device-roots.pem"), "anchors.pem");
}

}  // namespace
}  // namespace sallyport::agent
