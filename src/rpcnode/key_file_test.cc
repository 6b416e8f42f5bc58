#include "rpcnode/key_file.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/random.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

class KeysInFiles : public testing::Test {
 protected:
  KeysInFiles() {
    char pattern[] = "/tmp/key-file-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~KeysInFiles() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(std::string_view text, mode_t mode = keystore::kSecretMode) {
    const auto file = folder_ / "key";
    EXPECT_TRUE(keystore::atomic_write_file(file, as_bytes(text), mode));
    return file;
  }
  std::string an_api_key() {
    SeededRandom random(1);
    return std::string(as_text(sealed::to_text(sealed::draw_api_key(sealed::KeyId("pump"), random)).expose()));
  }

  std::filesystem::path folder_;
  sealed::eva::KeyId id_{"default"};
};

TEST_F(KeysInFiles, AreReadWithAndWithoutTheEndOfTheirLine) {
  EXPECT_EQ(read_key_file(write(an_api_key() + "\n"))->id.get(), "pump");
  EXPECT_EQ(read_key_file(write(an_api_key()))->id.get(), "pump");
  EXPECT_TRUE(read_eva_key(id_, write("a-secret-of-theirs\n"))->is("a-secret-of-theirs"));
}

TEST_F(KeysInFiles, ThatOthersMayReadAreRefused) {
  for (const mode_t mode : {0644U, 0640U, 0604U}) {
    EXPECT_EQ(read_key_file(write(an_api_key(), mode)).error().code, Errc::unauthorized);
    EXPECT_EQ(read_eva_key(id_, write("a-secret-of-theirs", mode)).error().code, Errc::unauthorized);
  }
}

TEST_F(KeysInFiles, ThatAreNoneAreRefusedByTheNameOfTheFileAndWithoutTheirText) {
  for (const std::string& text : {std::string(), std::string("\n"), std::string("spk1_x"), an_api_key() + "\n\n",
                                  an_api_key().substr(1), std::string(5'000, 'x')}) {
    const auto read = read_key_file(write(text));
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().detail.find("key"), std::string::npos);
    if (text.size() > 2) EXPECT_EQ(read.error().detail.find(text), std::string::npos);
  }
  for (const std::string& text : {std::string("short"), std::string("\xff\xfe not UTF-8 \xff"), std::string(300, 'x')})
    EXPECT_FALSE(read_eva_key(id_, write(text))) << text;
  EXPECT_EQ(read_key_file(folder_ / "nothing").error().code, Errc::not_found);
}

}  // namespace
}  // namespace sallyport::rpcnode
