#include "keystore/pkcs11.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

#include "keystore/file.h"

namespace sallyport::keystore {
namespace {

constexpr std::string_view kModule = "/usr/lib/softhsm/libsofthsm2.so";

TEST(Pkcs11UriTest, TheFourPartsAreRead) {
  const auto uri =
      parse_pkcs11_uri("pkcs11:object=local%2Dca;token=line%203?pin-source=file:/etc/pin&module-path=/m.so");
  ASSERT_TRUE(uri) << uri.error().detail;
  EXPECT_EQ(uri->token, "line 3");
  EXPECT_EQ(uri->object, "local-ca");
  EXPECT_EQ(uri->module, "/m.so");
  EXPECT_EQ(uri->pin_source, "/etc/pin");
}

TEST(Pkcs11UriTest, AnythingElseIsRefused) {
  for (const char* text :
       {"", "pkcs11:", "file:/key", "pkcs11:token=a;object=b", "pkcs11:token=a?module-path=/m&pin-source=/p",
        "pkcs11:token=a;object=b?module-path=/m", "pkcs11:token=a;token=b?module-path=/m&pin-source=/p",
        "pkcs11:token=a;object=b;id=%01?module-path=/m&pin-source=/p",
        "pkcs11:token=a;object=b?module-path=/m&pin-value=1234", "pkcs11:token=;object=b?module-path=/m&pin-source=/p",
        "pkcs11:token=a%0;object=b?module-path=/m&pin-source=/p",
        "pkcs11:token=a%00;object=b?module-path=/m&pin-source=/p",
        "pkcs11:token=a\";object=b?module-path=/m&pin-source=/p",
        "pkcs11:token=a b;object=b?module-path=/m&pin-source=/p"}) {
    const auto uri = parse_pkcs11_uri(text);
    ASSERT_FALSE(uri) << text;
    EXPECT_EQ(uri.error().code, Errc::malformed) << text;
  }
}

// SoftHSM with one token; its configuration is read once in a process.
class Pkcs11Test : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/sallyport-token-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder = name;
    std::filesystem::create_directory(folder / "tokens");
    std::ofstream(folder / "softhsm2.conf") << "directories.tokendir = " << (folder / "tokens").string()
                                            << "\nobjectstore.backend = file\nlog.level = ERROR\n";
    ASSERT_EQ(::setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1), 0);
    run({"softhsm2-util", "--init-token", "--free", "--label", "line", "--so-pin", "12345678", "--pin", "2468"});
    write_pin("pin", "2468\n");
    write_pin("wrong-pin", "1357\n");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder); }

  static void run(std::vector<const char*> words) {
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execvp(words[0], const_cast<char**>(words.data()));
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0) << words[0];
  }
  static void write_pin(const char* name, std::string_view pin) {
    ASSERT_TRUE(atomic_write_file(folder / name, as_bytes(pin), kSecretMode));
  }
  static Pkcs11Uri uri(const std::string& object, const char* pin = "pin", const std::string& token = "line") {
    return {.token = token, .object = object, .module = kModule, .pin_source = folder / pin};
  }
  static Errc refusal(const Result<std::unique_ptr<Pkcs11Key>>& key) {
    EXPECT_FALSE(key);
    return key ? Errc::internal : key.error().code;
  }

  static inline std::filesystem::path folder;
};

TEST_F(Pkcs11Test, AKeyIsMadeOnceAndFoundAgain) {
  const auto made = Pkcs11Key::generate(uri("made"));
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(refusal(Pkcs11Key::generate(uri("made"))), Errc::conflict);
  const auto found = Pkcs11Key::open(uri("made"));
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ((*found)->public_key(), (*made)->public_key());
  EXPECT_EQ((*found)->public_key().type(), crypto::KeyType::p256);
  EXPECT_EQ((*found)->scheme(), crypto::SignatureScheme::ecdsa_p256_sha256);
}

TEST_F(Pkcs11Test, WhatItSignsVerifies) {
  const auto key = *Pkcs11Key::generate(uri("signer"));
  // Some of many signatures have an r or s with a leading zero or a high bit, which DER writes otherwise.
  for (int i = 0; i < 300; ++i) {
    const std::string message = "message " + std::to_string(i);
    const auto signature = key->sign(as_bytes(message));
    ASSERT_TRUE(signature) << signature.error().detail;
    EXPECT_TRUE(key->public_key().verify(key->scheme(), as_bytes(message), *signature));
    EXPECT_FALSE(key->public_key().verify(key->scheme(), as_bytes("another"), *signature));
  }
  EXPECT_TRUE(key->sign({})) << "nothing is a message too";
}

TEST_F(Pkcs11Test, WhatIsNotThereIsNamed) {
  EXPECT_EQ(refusal(Pkcs11Key::open(uri("no-such-key"))), Errc::not_found);
  EXPECT_EQ(refusal(Pkcs11Key::open(uri("made", "pin", "no-such-token"))), Errc::not_found);
  EXPECT_EQ(refusal(Pkcs11Key::open(uri("made", "no-such-pin"))), Errc::not_found);
  auto elsewhere = uri("made");
  elsewhere.module = "/usr/lib/no-such-module.so";
  EXPECT_EQ(refusal(Pkcs11Key::open(elsewhere)), Errc::not_found);
  elsewhere.module = "/usr/lib/x86_64-linux-gnu/libc.so.6";
  if (std::filesystem::exists(elsewhere.module)) EXPECT_EQ(refusal(Pkcs11Key::open(elsewhere)), Errc::not_found);
}

TEST_F(Pkcs11Test, APinThatOthersMayReadIsNotUsed) {
  write_pin("open-pin", "2468\n");
  ASSERT_EQ(::chmod((folder / "open-pin").c_str(), 0644), 0);
  EXPECT_EQ(refusal(Pkcs11Key::open(uri("made", "open-pin"))), Errc::unauthorized);
  write_pin("empty-pin", "\n");
  EXPECT_EQ(refusal(Pkcs11Key::open(uri("made", "empty-pin"))), Errc::malformed);
}

TEST_F(Pkcs11Test, AForkedProcessDoesNotSign) {
  const auto key = *Pkcs11Key::generate(uri("forked"));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto signature = key->sign(as_bytes("from the child"));
    ::_exit(!signature && signature.error().code == Errc::internal ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(key->sign(as_bytes("from the parent")));
}

TEST_F(Pkcs11Test, SeveralThreadsSignAtOnce) {
  const auto key = *Pkcs11Key::generate(uri("threads"));
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&key, &good] {
      for (int i = 0; i < 50; ++i) good += key->sign(as_bytes("one of many")).has_value() ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
}

// A wrong PIN must reach the token while nobody is logged in: SoftHSM's login is the process's, so this is another one.
TEST_F(Pkcs11Test, AWrongPinIsToldOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/proc/self/exe", "keystore_test", "--gtest_filter=Pkcs11WrongPin.*", "--gtest_also_run_disabled_tests",
            nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Pkcs11WrongPin, DISABLED_InAProcessOfItsOwn) {
  const char* configuration = std::getenv("SOFTHSM2_CONF");
  ASSERT_NE(configuration, nullptr);
  const auto folder = std::filesystem::path(configuration).parent_path();
  const auto key =
      Pkcs11Key::open({.token = "line", .object = "made", .module = kModule, .pin_source = folder / "wrong-pin"});
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Errc::unauthorized);
  EXPECT_NE(key.error().detail.find("wrong PIN"), std::string::npos) << key.error().detail;
}

}  // namespace
}  // namespace sallyport::keystore
